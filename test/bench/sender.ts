/** What sends to Apple, alone, beside peers: a connection's worth of notifications at once. */
import { measureSender } from './measure.js';
import { own, type Part } from './part.js';
import type { SenderName } from './senders.js';
import type { Sink } from './stage.js';

const what = 'the sender alone, 1,000 at a time';
const atOnce = 1000;

export function senderPart(sink: Sink, scale: number): Part {
  const count = Math.ceil(200_000 * scale);
  const few = Math.ceil(count / 10);
  const of = (who: SenderName, many: number) => ({
    what,
    who,
    measure: () => measureSender(sink, who, { count: many, atOnce }),
  });
  const withCertificate = 'apnsd, certificate';
  return {
    cases: [
      of(own, count),
      of(withCertificate, count),
      of('node:http2', few),
      of('node-apn', few),
      of('apns2', few),
    ],
    goals(found) {
      const cpu = (who?: string) => found(what, who).cpuMs;
      const times = (who: string, atLeast: number) => ({
        what: `${what}: CPU of ${who}`,
        found: cpu(who) / cpu(),
        unit: 'times ours',
        atLeast,
      });
      const unit = 'ms per 1,000';
      return [
        { what: `${what}: CPU with a token`, found: cpu(), unit, atMost: 12 },
        { what: `${what}: CPU with a certificate`, found: cpu(withCertificate), unit, atMost: 12 },
        times('node:http2', 5),
        times('node-apn', 7),
      ];
    },
  };
}
