/** The senders that are compared, each as its users would use it. */
import type { Payload } from '../../src/notification/notification.js';
import { startClient, startOwn } from './own-senders.js';
import { startApns2, startLoop, startNodeApn } from './peers.js';

export interface BenchSender {
  /** Rejects, or resolves with another status than 200, where it failed. */
  send(token: string, id: string, payload: Payload): Promise<number>;
  /** One notification to many, as the sender does it best; resolves with how many were accepted. */
  sendMany?(tokens: Iterable<string>, payload: Payload): Promise<number>;
}

/** Where it sends to, and with what. */
export interface Target {
  gateway: string;
  ca: string;
  topic: string;
  key: string;
  keyId: string;
  teamId: string;
  /** Of the daemon, for the client. */
  host?: string;
  /** Of the daemon's apps, for the client: each is sent to in turn. */
  apps?: string[];
}

export const senders = {
  apnsd: (target) => startOwn({ ...target, certificate: false }),
  'apnsd, certificate': (target) => startOwn({ ...target, certificate: true }),
  'apnsd client': startClient,
  'node:http2': startLoop,
  'node-apn': startNodeApn,
  apns2: startApns2,
} satisfies Record<string, (target: Target) => Promise<BenchSender>>;

export type SenderName = keyof typeof senders;
