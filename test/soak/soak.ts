/** The soak, `npm run soak [-- REQUESTS]`: what only shows after a while, or under a crowd. */
import { soakAnswers } from './answers.js';
import { soakCredentials } from './credentials.js';
import { soakBodies, soakConnections } from './front.js';
import { soakSender } from './sender.js';

const [requests = 500_000] = process.argv.slice(2).map(Number);
console.log(await soakConnections({ say: console.log }));
console.log(await soakBodies({ say: console.log }));
console.log(await soakAnswers({ say: console.log }));
console.log(await soakCredentials({ say: console.log }));
console.log(await soakSender(requests));
