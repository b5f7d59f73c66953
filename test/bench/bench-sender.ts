/** What is measured of a sender, and where it sends to. */
import type { Payload } from '../../src/notification/notification.js';

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
