import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, test } from 'node:test';
import { format, promisify } from 'node:util';
import debugPackage from 'debug';
import { createDebug, loadDebug } from '../src/debug.js';

const lines: string[] = [];
const { log } = debugPackage;
debugPackage.log = (...words) => lines.push(format(...words));
after(() => {
  debugPackage.log = log;
  debugPackage.disable();
});

test('lines from before the package was loaded are not lost, and come first', async () => {
  debugPackage.enable('apnsd:*');
  const [heal, client] = [createDebug('apnsd:heal'), createDebug('apnsd:client')];
  assert.equal(heal.enabled, true);
  heal('%d knocks', 2);
  client('%s', 'accepted');
  assert.deepEqual(lines, []);
  await loadDebug();
  heal('done');
  const said = lines.map((line) => /apnsd:\w+ (2 knocks|accepted|done)/.exec(line)?.[0]);
  assert.deepEqual(said, ['apnsd:heal 2 knocks', 'apnsd:client accepted', 'apnsd:heal done']);
});

test('in an app that never enabled any line, none is enabled', async () => {
  const { DEBUG: _, ...env } = process.env;
  const code = `
    import { createDebug, loadDebug } from '${import.meta.resolve('../src/debug.js')}';
    await loadDebug();
    console.log(createDebug('apnsd:client').enabled);
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', code],
    { env },
  );
  assert.equal(stdout.trim(), 'false');
});

test('what an app enables and disables at run time counts from then on', async () => {
  await loadDebug();
  lines.length = 0;
  const debug = createDebug('apnsd:client');
  debugPackage.disable();
  assert.equal(debug.enabled, false);
  debug('unheard');
  debugPackage.enable('apnsd:client');
  assert.equal(debug.enabled, true);
  debug('heard');
  debugPackage.enable('apnsd:heal');
  assert.equal(debug.enabled, false);
  assert.match(lines.join(), /^[^,]*apnsd:client heard[^,]*$/);
});
