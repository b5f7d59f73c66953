/** Apple's checks of a request, in Apple's order: the first that fails is the answer. Source: Apple, "Sending notification requests to APNs" and "Handling notification responses from APNs". */

/** Apple's no. */
export interface Refusal {
  status: number;
  reason: string;
  /** UNIX milliseconds since when the token is dead; with status 410 only. */
  timestamp?: number;
}

/** Whom a request comes from, as its credentials tell. */
export interface Identity {
  kind: 'certificate' | 'token';
  /** The bundle ids that it may push to. */
  topics: readonly string[];
  /** What a request without apns-topic is for. */
  defaultTopic?: string;
  /** Of a provider token. */
  keyId?: string;
}

/** All that the checks look at. */
export interface Inspection {
  method: string;
  path: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Names of headers that came more than once. */
  repeated: readonly string[];
  sender: Identity | Refusal;
  /** The device token, in lower case; empty where the path has none. */
  token: string;
  /** Refused on command, by device token in lower case. */
  refusedTokens: ReadonlyMap<string, Refusal>;
  payload: Buffer;
  /** The payload read as JSON; undefined where it is none. */
  json: unknown;
}

/** What follows the bundle id in apns-topic. */
const suffixes: ReadonlyMap<string, string> = new Map([
  ['alert', ''],
  ['background', ''],
  ['complication', '.complication'],
  ['controls', '.push-type.controls'],
  ['fileprovider', '.pushkit.fileprovider'],
  ['liveactivity', '.push-type.liveactivity'],
  ['location', '.location-query'],
  ['mdm', ''],
  ['pushtotalk', '.voip-ptt'],
  ['voip', '.voip'],
  ['widgets', '.push-type.widgets'],
]);

/** Bytes; 5,120 for voip. */
const maxPayload = 4096;
const maxVoipPayload = 5120;
/** Bytes. */
const maxCollapseId = 64;

const devicePath = /^\/3\/device(?:\/([^/?#]*))?$/;
const canonicalId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const checks: ((request: Inspection) => Refusal | undefined)[] = [
  ({ method }) => refuseUnless(method === 'POST', 'MethodNotAllowed', 405),
  ({ path }) => refuseUnless(devicePath.test(path), 'BadPath', 404),
  // Ahead of the credentials, as a repeated authorization could not be judged.
  ({ repeated }) => refuseUnless(repeated.length === 0, 'DuplicateHeaders'),
  ({ sender }) => ('reason' in sender ? sender : undefined),
  ({ headers: { 'apns-id': id } }) =>
    refuseUnless(id === undefined || canonicalId.test(id), 'BadMessageId'),
  ({ headers: { 'apns-expiration': expiration } }) =>
    refuseUnless(expiration === undefined || /^\d{1,15}$/.test(expiration), 'BadExpirationDate'),
  ({ headers }) => refuseUnless(hasLegalPriority(headers), 'BadPriority'),
  // A missing push type is taken, as Apple takes it; devices may then drop the push in silence.
  ({ headers: { 'apns-push-type': type } }) =>
    refuseUnless(type === undefined || suffixes.has(type), 'InvalidPushType'),
  checkTopic,
  ({ headers: { 'apns-collapse-id': id = '' } }) =>
    refuseUnless(id.length <= maxCollapseId, 'BadCollapseId'),
  checkToken,
  checkPayload,
];

/** The first check that fails; undefined where Apple would accept. */
export function check(request: Inspection): Refusal | undefined {
  for (const one of checks) {
    const refusal = one(request);
    if (refusal) return refusal;
  }
  return undefined;
}

/** The device token in a path, in lower case; empty where there is none. */
export function tokenOf(path: string): string {
  return devicePath.exec(path)?.[1]?.toLowerCase() ?? '';
}

/** apns-id in canonical form; undefined where the request has none that Apple would take. */
export function idOf(headers: Inspection['headers']): string | undefined {
  const id = headers['apns-id'];
  return id !== undefined && canonicalId.test(id) ? id.toLowerCase() : undefined;
}

/** What a request is for: its apns-topic, else what the certificate says. */
export function topicOf({ headers, sender }: Pick<Inspection, 'headers' | 'sender'>): string {
  return headers['apns-topic'] ?? ('reason' in sender ? '' : (sender.defaultTopic ?? ''));
}

function refuseUnless(right: boolean, reason: string, status = 400): Refusal | undefined {
  return right ? undefined : { status, reason };
}

function hasLegalPriority(headers: Inspection['headers']): boolean {
  const priority = headers['apns-priority'] ?? '10';
  if (headers['apns-push-type'] === 'background') return priority === '5';
  return priority === '10' || priority === '5' || priority === '1';
}

function checkTopic(request: Inspection): Refusal | undefined {
  const { headers, sender } = request;
  const topic = topicOf(request);
  if (topic === '') return { status: 400, reason: 'MissingTopic' };
  if (!/^[A-Za-z0-9.-]+$/.test(topic)) return { status: 400, reason: 'BadTopic' };
  if ('reason' in sender) return sender;
  const type = headers['apns-push-type'];
  // Location pushes work with token credentials only.
  const barred = type === 'location' && sender.kind === 'certificate';
  const legal = type === undefined ? [...suffixes.values()] : [suffixes.get(type) ?? ''];
  const allowed = sender.topics.some((own) => legal.some((suffix) => topic === own + suffix));
  return refuseUnless(allowed && !barred, 'TopicDisallowed');
}

function checkToken({ token, refusedTokens }: Inspection): Refusal | undefined {
  if (token === '') return { status: 400, reason: 'MissingDeviceToken' };
  if (!/^(?:[0-9a-f]{2})+$/.test(token)) return { status: 400, reason: 'BadDeviceToken' };
  return refusedTokens.get(token);
}

function checkPayload({ headers, payload, json }: Inspection): Refusal | undefined {
  if (payload.length === 0) return { status: 400, reason: 'PayloadEmpty' };
  const max = headers['apns-push-type'] === 'voip' ? maxVoipPayload : maxPayload;
  if (payload.length > max) return { status: 413, reason: 'PayloadTooLarge' };
  // Apple documents no reason for a payload that is no JSON object; passing it would hide a bug, so this one is ours.
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return refuseUnless(isObject, 'BadPayload');
}
