/** Reads `initial`: the apps to provision, in the form in which the daemon takes them. */
import { isAbsolute } from 'node:path';
import type { ProvisionRequest } from '../../rpc/methods.js';
import { object, show } from '../../validation.js';

/** By app id; what is wrong with them is added to `problems`. */
export function readInitial(
  initial: unknown,
  problems: string[],
): ReadonlyMap<string, ProvisionRequest> {
  const apps = new Map<string, ProvisionRequest>();
  if (!Array.isArray(initial)) {
    problems.push(`initial is ${show(initial)}, expected a list of apps`);
    return apps;
  }
  for (const [position, app] of initial.entries()) {
    const name = `initial[${position}]`;
    const read = readApp(name, app, problems);
    if (!read) continue;
    if (apps.has(read.appId)) problems.push(`${name}.appId ${show(read.appId)} is there twice`);
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

function readApp(name: string, app: unknown, problems: string[]): ProvisionRequest | undefined {
  const before = problems.length;
  const given = object(name, app, appFields, problems);
  if (!given) return undefined;
  const read = {
    ...readName(name, given, problems),
    ...readContents(name, given, problems),
    ...readKeyFields(name, given, problems),
  };
  if (problems.length > before) return undefined;
  return Object.freeze(read) as unknown as ProvisionRequest;
}

type Given = Record<string, unknown>;

function readName(name: string, { appId, environment }: Given, problems: string[]): Given {
  if (typeof appId !== 'string' || appId === '') {
    problems.push(`${name}.appId is ${show(appId)}, expected a name`);
  }
  if (environment !== 'sandbox' && environment !== 'production') {
    problems.push(
      `${name}.environment is ${show(environment)}, expected 'sandbox' or 'production'`,
    );
  }
  return { appId, environment };
}

/** What may be a secret: an error never shows it. */
function readContents(name: string, given: Given, problems: string[]): Given {
  const { cert, key, passphrase } = given;
  if ((cert === undefined) === (key === undefined)) {
    const has = cert === undefined ? 'neither cert nor key' : 'both cert and key';
    problems.push(`${name} has ${has}, expected one of them`);
  }
  const read: Given = {};
  for (const field of ['cert', 'key'] as const) {
    const value = given[field];
    if (value !== undefined) read[field] = contents(`${name}.${field}`, value, problems);
  }
  if (typeof passphrase === 'string') read.passphrase = passphrase;
  else if (passphrase !== undefined) {
    problems.push(`${name}.passphrase is ${typeof passphrase}, expected a string`);
  }
  return read;
}

/** With a certificate they may be absent: its UID is the topic. */
function readKeyFields(name: string, given: Given, problems: string[]): Given {
  const read: Given = {};
  for (const field of ['keyId', 'teamId', 'topic'] as const) {
    const value = given[field];
    if (typeof value === 'string' && value !== '') read[field] = value;
    else if (value !== undefined) {
      problems.push(`${name}.${field} is ${show(value)}, expected a string`);
    } else if (given.key !== undefined) {
      problems.push(`${name}.${field} is missing, a key needs it`);
    }
  }
  return read;
}

/** How a .p12 begins as base64 text, so that no path is taken for one. */
const base64 = /^\s*MI[A-Za-z0-9+/\s]+={0,2}\s*$/;

/** As the daemon takes it: bytes that are no PEM text go as base64 text. The value is never shown, it may be a key. */
function contents(name: string, value: unknown, problems: string[]): string {
  const bytes = value instanceof Uint8Array ? Buffer.from(value) : undefined;
  const isPem = bytes?.includes('-----BEGIN ') ?? false;
  const text = bytes?.toString(isPem ? 'utf8' : 'base64') ?? value;
  if (typeof text !== 'string' || text === '') {
    const kind = text === '' ? 'empty' : typeof text;
    problems.push(`${name} is ${kind}, expected an absolute path, PEM text, or a Buffer`);
    return '';
  }
  if (text.includes('-----BEGIN ') || base64.test(text) || (!bytes && isAbsolute(text)))
    return text;
  problems.push(
    bytes
      ? `${name} is a Buffer of neither PEM text nor a .p12 file`
      : `${name} is neither PEM text nor an absolute path: a relative one would mean another folder in the daemon`,
  );
  return '';
}
