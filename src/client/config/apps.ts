/** Reads `initial`: the apps to provision, in the form in which the daemon takes them. */
import { isAbsolute } from 'node:path';
import type { ProvisionRequest } from '../../rpc/methods.js';
import { object, show } from '../../validation.js';

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

const appFields = [
  'appId',
  'environment',
  'cert',
  'key',
  'passphrase',
  'keyId',
  'teamId',
  'topic',
] as const;

function readApp(name: string, app: unknown, wrong: string[]): ProvisionRequest | undefined {
  const before = wrong.length;
  const given = object(name, app, appFields, wrong);
  if (!given) return undefined;
  const { appId, environment, cert, key, passphrase } = given;
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
    if (value !== undefined) read[field] = contents(`${name}.${field}`, value, wrong);
  }
  if (typeof passphrase === 'string') read.passphrase = passphrase;
  else if (passphrase !== undefined) {
    wrong.push(`${name}.passphrase is ${typeof passphrase}, expected a string`);
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

/** How a .p12 begins as base64 text, so that no path is taken for one. */
const base64 = /^\s*MI[A-Za-z0-9+/\s]+={0,2}\s*$/;

/** As the daemon takes it: bytes that are no PEM text go as base64 text. The value is never shown, it may be a key. */
function contents(name: string, value: unknown, wrong: string[]): string {
  const bytes = value instanceof Uint8Array ? Buffer.from(value) : undefined;
  const isPem = bytes?.includes('-----BEGIN ') ?? false;
  const text = bytes?.toString(isPem ? 'utf8' : 'base64') ?? value;
  if (typeof text !== 'string' || text === '') {
    const kind = text === '' ? 'empty' : typeof text;
    wrong.push(`${name} is ${kind}, expected an absolute path, PEM text, or a Buffer`);
    return '';
  }
  if (text.includes('-----BEGIN ') || base64.test(text) || (!bytes && isAbsolute(text)))
    return text;
  wrong.push(
    bytes
      ? `${name} is a Buffer of neither PEM text nor a .p12 file`
      : `${name} is neither PEM text nor an absolute path: a relative one would mean another folder in the daemon`,
  );
  return '';
}
