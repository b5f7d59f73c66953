/** The senders that are compared, each as its users would use it. */
import type { BenchSender, Target } from './bench-sender.js';
import { startClient, startOwn } from './own-senders.js';
import { startApns2, startLoop, startNodeApn } from './peers.js';

export const senders = {
  apnsd: (target) => startOwn({ ...target, certificate: false }),
  'apnsd, certificate': (target) => startOwn({ ...target, certificate: true }),
  'apnsd client': startClient,
  'node:http2': startLoop,
  'node-apn': startNodeApn,
  apns2: startApns2,
} satisfies Record<string, (target: Target) => Promise<BenchSender>>;

export type SenderName = keyof typeof senders;
