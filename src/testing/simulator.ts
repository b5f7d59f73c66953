/** The simulator: a gateway that answers as Apple's does, remembers what it was sent, and fails on command. */
import { constants } from 'node:http2';
import { isIP } from 'node:net';
import { createServer } from 'node:tls';
import { ConfigError, InvalidArgumentError } from '../errors.js';
import {
  type Authority,
  type CertificateWish,
  createProviderKey,
  type Environment,
  type ProviderKey,
  sharedAuthority,
} from './authority.js';
import type { Refusal } from './checks.js';
import { type Answer, Commands, type Limit, type When } from './commands.js';
import type { GoAway } from './connection.js';
import { Gateway } from './gateway.js';
import { bind, parseAddress, urlOf } from './listen.js';
import { ProviderTokens } from './provider-token.js';
import { RecordFile } from './record-file.js';
import { type RecordedRequest, Records } from './records.js';
import { Waiting } from './waiting.js';

export interface SimulatorOptions {
  /** Which of Apple's gateways it plays. @default 'sandbox' */
  environment?: Environment;
  /** `HOST:PORT`; port 0 takes a free one. @default '127.0.0.1:0' */
  listen?: string;
  /** What its certificate is for beside this machine and Apple's gateways: host names, IP addresses. @default [] */
  names?: readonly string[];
  /** Bundle ids: the ready-made certificate is for the first, the ready-made key for all. @default ['com.example.app'] */
  topics?: readonly string[];
  /** Streams that a connection may have open at once. @default 1000, as Apple's */
  maxConcurrentStreams?: number;
  /** Streams that a connection may have open until it has brought a certificate or a valid provider token. @default 1, as Apple's */
  coldStreams?: number;
  /** A file that gets one JSON line for each request, before its answer: see {@link RecordedRequest}. */
  record?: string;
  /** Is told in a line when `record` can't be written any more, as on a full disk, and when it can again. @default stderr */
  log?: (line: string) => void;
  /** Whether `requests` and `accepted` are kept; turn it off for millions. @default true */
  remember?: boolean;
  /** The clock that provider tokens and certificates are held against, UNIX milliseconds. @default Date.now */
  now?: () => number;
  /** Made earlier, to be used again. @default the process's own authority, a certificate of it, a new key */
  credentials?: SimulatorCredentials;
}

export interface SimulatorCredentials {
  authority: Authority;
  /** Certificate and key, PEM. */
  certificate: string;
  key: ProviderKey;
}

/** The largest value of an HTTP/2 setting. */
const maxStreams = 2 ** 32 - 1;

/**
 * Starts one; `await using` or `close()` ends it.
 *
 * @throws ConfigError where an option can't be used, and node's own error where it can't listen or open the record file
 */
export async function createSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { environment = 'sandbox', topics = ['com.example.app'], listen = '127.0.0.1:0' } = options;
  if (environment !== 'sandbox' && environment !== 'production') {
    throw new ConfigError(`environment is '${environment}', expected 'sandbox' or 'production'`);
  }
  const { maxConcurrentStreams = 1000, coldStreams = 1 } = options;
  checkStreams('maxConcurrentStreams', maxConcurrentStreams, 0);
  // With none, no token could ever be seen.
  checkStreams('coldStreams', coldStreams, 1);
  const address = parseAddress(listen);
  const names = checkNames(options.names ?? []);
  const credentials = options.credentials ?? (await makeCredentials(environment, topics));
  const { authority } = credentials;
  const { certificate, key } = await authority.serverCertificate(names);
  const server = createServer({
    cert: certificate,
    key,
    ca: authority.ca,
    // Node itself refuses who offers others only. Who offers none, as pushy and apnotic do, is taken to speak HTTP/2.
    ALPNProtocols: ['h2'],
    requestCert: true,
    // Apple's answer to a bad certificate is a 403 with a reason: the gateway judges it by itself.
    rejectUnauthorized: false,
  });
  const providerTokens = new ProviderTokens();
  providerTokens.accept(credentials.key);
  const file =
    options.record === undefined
      ? undefined
      : new RecordFile(options.record, options.log ?? toStderr);
  const records = new Records(file, options.remember ?? true);
  try {
    await bind(server, address);
  } catch (error) {
    records.close(new Error('the simulator could not listen', { cause: error }));
    throw error;
  }
  const now = options.now ?? Date.now;
  const commands = new Commands();
  const changes = new Waiting<void>();
  const gateway = new Gateway({
    server,
    environment,
    authority,
    providerTokens,
    commands,
    records,
    maxConcurrentStreams,
    coldStreams,
    now,
    onChange: () => changes.tell(),
  });
  const url = urlOf(server);
  return new Simulator({
    url,
    environment,
    credentials,
    providerTokens,
    commands,
    records,
    changes,
    gateway,
    now,
  });
}

/** @throws ConfigError */
function checkStreams(option: string, streams: number, least: number): void {
  if (!Number.isInteger(streams) || streams < least || streams > maxStreams) {
    throw new ConfigError(
      `${option} is ${streams}, expected a whole number from ${least} to ${maxStreams}`,
    );
  }
}

/** @throws ConfigError */
function checkNames(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (!isIP(name) && !/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(name)) {
      throw new ConfigError(`names has '${name}', expected host names and IP addresses`);
    }
  }
  return names;
}

function toStderr(line: string): void {
  process.stderr.write(`apnsd simulator: ${line}\n`);
}

/** A certificate, made once a process, and a new key. */
async function makeCredentials(
  environment: Environment,
  topics: readonly string[],
): Promise<SimulatorCredentials> {
  const authority = await sharedAuthority();
  const key = await createProviderKey({ topics });
  const name = `${environment} ${key.topic}`;
  const certificate =
    sharedCertificates.get(name) ?? authority.issueCertificate({ topic: key.topic, environment });
  sharedCertificates.set(name, certificate);
  return { authority, certificate: await certificate, key };
}

const sharedCertificates = new Map<string, Promise<string>>();

interface SimulatorParts {
  url: string;
  environment: Environment;
  credentials: SimulatorCredentials;
  providerTokens: ProviderTokens;
  commands: Commands;
  records: Records;
  changes: Waiting<void>;
  gateway: Gateway;
  now: () => number;
}

/** A running simulator: see {@link createSimulator}. */
export class Simulator implements AsyncDisposable {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** The certificate authority that a client must trust, PEM. */
  readonly ca: string;
  readonly environment: Environment;
  /** A push certificate and its key for the first topic, PEM. */
  readonly certificate: string;
  /** A token signing key for all topics. */
  readonly key: ProviderKey;
  /** What was recorded, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Those of `requests` with status 200. */
  readonly accepted: readonly RecordedRequest[];
  /** All that was recorded, remembered or not. */
  readonly counts: Readonly<{ requests: number; accepted: number }>;
  readonly #parts: SimulatorParts;
  #closed: Promise<void> | undefined;

  /** For {@link createSimulator}. */
  constructor(parts: SimulatorParts) {
    this.#parts = parts;
    this.url = parts.url;
    this.environment = parts.environment;
    this.ca = parts.credentials.authority.ca;
    this.certificate = parts.credentials.certificate;
    this.key = parts.credentials.key;
    this.requests = parts.records.requests;
    this.accepted = parts.records.accepted;
    this.counts = parts.records.counts;
  }

  /** How many connections it has taken. */
  get connections(): number {
    return this.#parts.gateway.taken;
  }

  /** How many requests have arrived and have no answer yet. */
  get pending(): number {
    return [...this.#parts.gateway.connections].reduce((sum, { open }) => sum + open.size, 0);
  }

  /** The token signing keys that it accepts. */
  get keys(): readonly ProviderKey[] {
    return this.#parts.providerTokens.keys;
  }

  /** A push certificate and its key as one PEM text; for the simulator's own environment where the wish names none. */
  issueCertificate(
    wish: Omit<CertificateWish, 'environment'> & Partial<CertificateWish>,
  ): Promise<string> {
    const { environment } = this;
    return this.#parts.credentials.authority.issueCertificate({ environment, ...wish });
  }

  /** A token signing key that it accepts from now on, beside the others; for all its topics where the wish names none. */
  async issueKey(wish: Partial<Omit<ProviderKey, 'key' | 'topic'>> = {}): Promise<ProviderKey> {
    const key = await createProviderKey({ topics: this.key.topics, ...wish });
    this.#parts.providerTokens.accept(key);
    return key;
  }

  /** Tokens of this key are InvalidProviderToken from now on. */
  revokeKey(keyId: string): void {
    this.#parts.providerTokens.revoke(keyId);
  }

  /** Resolves with the next request that is recorded and that `wants` takes; rejects when the simulator closes first. */
  nextRequest(wants: (request: RecordedRequest) => boolean = () => true): Promise<RecordedRequest> {
    return this.#parts.records.next(wants);
  }

  /**
   * Resolves once the condition holds: asked now and whenever a request or connection comes, goes or is recorded.
   * Rejects when the simulator closes first.
   */
  async until(condition: () => boolean): Promise<void> {
    if (!condition()) await this.#parts.changes.next(condition);
  }

  /** 410 for this device token, until {@link register}; unregistered since `at`, or since now. */
  unregister(
    token: string,
    { at, reason = 'Unregistered' }: { at?: Date; reason?: 'Unregistered' | 'ExpiredToken' } = {},
  ): void {
    this.#refuse(token, { status: 410, reason, timestamp: at?.getTime() ?? this.#parts.now() });
  }

  /** 400 BadDeviceToken for this device token, until {@link register}. */
  badDeviceToken(token: string): void {
    this.#refuse(token, { status: 400, reason: 'BadDeviceToken' });
  }

  /** 400 DeviceTokenNotForTopic for this device token, until {@link register}. */
  tokenOfAnotherApp(token: string): void {
    this.#refuse(token, { status: 400, reason: 'DeviceTokenNotForTopic' });
  }

  /** The device token is good again. */
  register(token: string): void {
    this.#parts.commands.deviceTokens.delete(token.toLowerCase());
  }

  #refuse(token: string, refusal: Refusal): void {
    this.#parts.commands.deviceTokens.set(token.toLowerCase(), refusal);
  }

  /** Answers the next requests with this, whatever the checks say. One request takes one command, the oldest. */
  answer(answer: Answer, limit?: Limit): void {
    const { status } = answer;
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new InvalidArgumentError(`status is ${status}, expected 200 to 599`);
    }
    this.#parts.commands.answers.add({ kind: 'answer', answer }, limit);
  }

  /** Never answers the next requests. */
  stall({ when, ...limit }: { when: When } & Limit): void {
    this.#parts.commands.answers.add({ kind: 'stall', when }, limit);
  }

  /** RST_STREAM for the next requests, with an HTTP/2 error code. @default code 2 (INTERNAL_ERROR) */
  reset({
    when,
    code = constants.NGHTTP2_INTERNAL_ERROR,
    ...limit
  }: { when: When; code?: number } & Limit): void {
    this.#parts.commands.answers.add({ kind: 'reset', when, code }, limit);
  }

  /** Cuts the whole connection, without a word, at the next requests. */
  hangUp({ when, ...limit }: { when: When } & Limit): void {
    this.#parts.commands.answers.add({ kind: 'hangUp', when }, limit);
  }

  /** Makes the next requests wait, beside what else was commanded for them. @default when 'before' */
  delay(ms: number, { when = 'before', ...limit }: { when?: When } & Limit = {}): void {
    this.#parts.commands.delays.add({ over: ms, when }, limit);
  }

  /** Like {@link delay}, until the function that it returns is called. @default when 'before' */
  hold({ when = 'before', ...limit }: { when?: When } & Limit = {}): () => void {
    let release = () => {};
    const over = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#parts.commands.delays.add({ over, when }, limit);
    return release;
  }

  /** Forgets what was commanded for requests to come; what was said of device tokens stays, and so does what waits. */
  recover(): void {
    this.#parts.commands.answers.clear();
    this.#parts.commands.delays.clear();
  }

  /** GOAWAY on all present connections. */
  goAway(goAway: GoAway = {}): void {
    const { lastStreamId: last } = goAway;
    if (typeof last === 'number' && last !== 0 && last % 2 !== 1) {
      throw new InvalidArgumentError(`lastStreamId is ${last}, expected an odd number or 0`);
    }
    for (const connection of this.#parts.gateway.connections) connection.goAway(goAway);
  }

  /** A new limit of concurrent streams, for all present and future connections. */
  limitStreams(limit: number): void {
    if (!Number.isInteger(limit) || limit < 0) {
      throw new InvalidArgumentError(`limit is ${limit}, expected a whole number from 0`);
    }
    const { gateway } = this.#parts;
    gateway.maxConcurrentStreams = limit;
    for (const connection of gateway.connections) connection.limitStreams(limit);
  }

  /** Ends all connections and stops listening. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#parts.gateway.close();
    const reason = new Error('the simulator was closed');
    this.#parts.records.close(reason);
    this.#parts.changes.end(reason);
  }
}
