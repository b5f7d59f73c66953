/** The README's first lines, with what differs from place to place taken from the environment: `node --import tsx examples/quickstart.ts`. */
import { configure, notify } from 'apnsd';

const host = process.env.APNSD_HOST ?? 'http://localhost:7077/';
const key = process.env.APNSD_KEY ?? '/path/to/AuthKey_ABC123DEFG.p8';
const keyId = process.env.APNSD_KEY_ID ?? 'ABC123DEFG';
const teamId = process.env.APNSD_TEAM_ID ?? 'DEF123GHIJ';
const token =
  process.env.APNSD_TOKEN ?? 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';
const app = { appId: 'MyAppName', key, keyId, teamId, topic: 'com.example.app' };
configure({ host, initial: [{ ...app, environment: 'sandbox' }] });
const receipt = await notify(token, 'Your table is ready', 3, 'default');
console.log(receipt); // { status: 'accepted', token: '…', id: '…', attempts: 1, uniqueId: '…' }
