/** The methods by name, with what system.methodSignature and system.methodHelp tell of them. */
import type { Value, Writable } from '../../rpc/xml.js';
import type { CallContext, Method } from './method.js';
import { feedback, provision, provisionEntry, readFeedback, status } from './methods.js';
import { notify } from './notify.js';
import { send } from './send.js';
import { methodNamed, systemMethods } from './system.js';

/** By name; nothing else can be called from outside. */
const methods = new Map<string, Method>([
  [
    'provision',
    {
      run: provision,
      signatures: [
        ['nil', 'string', 'string', 'string'],
        ['nil', 'string', 'string', 'string', 'int'],
      ],
      help: 'Takes an app to push for: its id, its certificate and key (PEM text or an absolute path on this machine), sandbox or production, and how long notify waits for Apple, in seconds (15).',
    },
  ],
  [
    'notify',
    {
      run: notify,
      signatures: [
        ['nil', 'string', 'string', 'struct'],
        ['nil', 'string', 'array', 'struct'],
        ['nil', 'string', 'array', 'array'],
      ],
      help: "Sends payloads and answers once Apple has answered for all. Takes the app's id, a token or a list, a payload or a list.",
    },
  ],
  [
    'feedback',
    {
      run: feedback,
      signatures: [['array', 'string']],
      help: "The tokens that Apple called dead, each as a list of time and token, handed out once. Takes the app's id.",
    },
  ],
  [
    'apnsd.provision',
    {
      run: provisionEntry,
      signatures: [['struct', 'struct']],
      help: 'Takes an app to push for: a struct of appId, environment and cert, or key with keyId, teamId and topic. The result has topic, environment, warnings and expiresAt.',
    },
  ],
  [
    'apnsd.send',
    {
      run: send,
      signatures: [['string', 'string', 'string']],
      help: "Sends notifications and answers for each. Takes the app's id and JSON text of { timeoutMs, notifications: [{ payload, to: [[token, id], ...] }] }; the result is JSON text of a list in the order of the tos.",
    },
  ],
  [
    'apnsd.feedback',
    {
      run: readFeedback,
      signatures: [['struct', 'string', 'string']],
      help: "The tokens that Apple called dead, as a struct of entries and cursor. Takes the app's id and the cursor of a list that can be forgotten, or an empty string.",
    },
  ],
  [
    'apnsd.status',
    {
      run: status,
      signatures: [['struct']],
      help: 'Version, uptime in seconds, and each app with its counts.',
    },
  ],
]);
for (const [name, method] of systemMethods(methods)) methods.set(name, method);

/** @throws ApnsdError or Fault */
export async function callMethod(
  name: string,
  params: Value[],
  context: CallContext,
): Promise<Writable> {
  return methodNamed(methods, name).run(params, context);
}
