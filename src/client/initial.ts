/** Reads `initial`: the apps to provision, in the form in which the daemon takes them. */
import { isAbsolute } from 'node:path';
import type { ProvisionRequest } from '../rpc/methods.js';
import { object, show } from './fields.js';

/** By app id; what is wrong is added to `wrong`. */
export function readInitial(
  initial: unknown,
  wrong: string[],
): ReadonlyMap<string, ProvisionRequest> {
  const apps = new Map<string, ProvisionRequest>();
  if (!Array.isArray(initial)) {
    wrong.push(`initial is ${show(initial)}, expected a list of apps`);
    return apps;
  }
  for (const [position, app] of initial.entries()) {
    const name = `initial[${position}]`;
    const read = readApp(name, app, wrong);
    if (!read) continue;
    if (apps.has(read.appId)) wrong.push(`${name}.appId ${show(read.appId)} is there twice`);
    apps.set(read.appId, read);
  }
  return apps;
}

const appFields = ['appId', 'environment', 'cert', 'key', 'keyId', 'teamId', 'topic'] as const;

function readApp(name: string, app: unknown, wrong: string[]): ProvisionRequest | undefined {
  const before = wrong.length;
  const given = object(name, app, appFields, wrong);
  if (!given) return undefined;
  const { appId, environment, cert, key } = given;
  if (typeof appId !== 'string' || appId === '') {
    wrong.push(`${name}.appId is ${show(appId)}, expected a name`);
  }
  if (environment !== 'sandbox' && environment !== 'production') {
    wrong.push(`${name}.environment is ${show(environment)}, expected 'sandbox' or 'production'`);
  }
  if ((cert === undefined) === (key === undefined)) {
    const has = cert === undefined ? 'neither cert nor key' : 'both cert and key';
    wrong.push(`${name} has ${has}, expected one of them`);
  }
  const read: Record<string, string> = {};
  for (const field of ['cert', 'key'] as const) {
    const value = given[field];
    if (value !== undefined) read[field] = pemOrPath(`${name}.${field}`, value, wrong);
  }
  for (const field of ['keyId', 'teamId', 'topic'] as const) {
    const value = given[field];
    if (value === undefined) {
      if (key !== undefined) wrong.push(`${name}.${field} is missing, a key needs it`);
    } else if (typeof value === 'string' && value !== '') read[field] = value;
    else wrong.push(`${name}.${field} is ${show(value)}, expected a string`);
  }
  if (wrong.length > before) return undefined;
  return Object.freeze({ ...read, appId, environment } as ProvisionRequest);
}

/** The value is never shown: it may be a key. */
function pemOrPath(name: string, value: unknown, wrong: string[]): string {
  const text = Buffer.isBuffer(value) ? value.toString('utf8') : value;
  if (typeof text !== 'string' || text === '') {
    wrong.push(`${name} is ${typeof text}, expected an absolute path, PEM text or a Buffer`);
    return '';
  }
  if (text.includes('-----BEGIN ') || (!Buffer.isBuffer(value) && isAbsolute(text))) return text;
  wrong.push(
    `${name} is neither PEM text nor an absolute path: a relative one would mean another folder in the daemon`,
  );
  return '';
}
