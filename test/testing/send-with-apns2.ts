/** The child of libraries.test.ts: sends with npm apns2 to one token, then to all at once, and prints what the package reports. */
import { ApnsClient, ApnsError, Notification } from 'apns2';

const [keyText = '', ...tokens] = process.argv.slice(2);
const { key, keyId, teamId, topic } = JSON.parse(keyText);
const client = new ApnsClient({
  ...{ team: teamId, keyId, signingKey: key, defaultTopic: topic },
  host: '127.0.0.1',
});
const notifications = tokens.map((token) => new Notification(token, { alert: 'Hello', badge: 3 }));

const reports: object[] = [];
for (const batch of [notifications.slice(0, 1), notifications]) {
  for (const sent of await client.sendMany(batch)) {
    if (sent instanceof Notification) {
      reports.push({ sent: sent.deviceToken });
    } else {
      if (!(sent.error instanceof ApnsError)) throw sent.error;
      const { notification, statusCode, reason, timestamp } = sent.error;
      reports.push({ failed: notification.deviceToken, statusCode, reason, timestamp });
    }
  }
}
await client.close();
console.log(JSON.stringify(reports));
