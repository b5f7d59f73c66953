/** The README's eight lines, with what differs from place to place taken from the environment: `node --import tsx examples/quickstart.ts`. */
import { configure, notify } from 'apnsd';

const host = process.env.APNSD_HOST ?? 'http://localhost:7077/';
const cert = process.env.APNSD_CERT ?? '/path/to/apns_sandbox.pem';
const token =
  process.env.APNSD_TOKEN ?? 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';
configure({ host, initial: [{ appId: 'MyAppName', cert, environment: 'sandbox' }] });
const receipt = await notify(token, 'Your table is ready', 3, 'default');
console.log(receipt); // { status: 'accepted', token: '…', id: '…', attempts: 1, uniqueId: '…' }
