/** Calls a daemon from other languages, with the XML-RPC clients that their users have. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export type Call = [method: string, params: unknown[]];
export type Result = { answer: unknown } | { fault: [code: number, text: string] };

export interface Language {
  name: string;
  /** For tests, which are skipped where interpreter or library is missing. */
  options: { skip: string | false };
  /** Makes the calls in one process, one after the other. */
  run: (url: string, calls: Call[]) => Promise<Result[]>;
}

const scripts = join(import.meta.dirname, '../end-to-end/languages');

/** The interpreter itself: what `python3` names may be a version manager's shim, which takes a second each time. */
const python3 =
  spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout ??
  '';

export const python = language('Python', 'calls.py', python3.trim() || 'python3', ['-c', '']);
export const languages: readonly Language[] = [
  python,
  language('Ruby', 'calls.rb', 'ruby', ['-rxmlrpc/client', '-e', '']),
  language('Perl', 'calls.pl', 'perl', ['-MRPC::XML::Client', '-e', '']),
  language('PHP', 'calls.php', 'php', ['-r', 'xmlrpc_encode(1);']),
];

/** Debian's own interpreter has what Debian's packages bring. */
export const debianPython = '/usr/bin/python3';
const hasH2 = spawnSync(debianPython, ['-c', 'import h2'], { stdio: 'ignore' }).status === 0;
/** For tests with a gateway of Python's h2. */
export const h2 = { skip: !hasH2 && "Python's h2 is missing" };

/** @param probe arguments with which the interpreter succeeds where the library is there */
function language(name: string, script: string, interpreter: string, probe: string[]): Language {
  const there = spawnSync(interpreter, probe, { stdio: 'ignore' }).status === 0;
  return {
    name,
    options: { skip: !there && `${name} or its XML-RPC library is missing` },
    async run(url, calls) {
      const child = spawn(interpreter, [join(scripts, script), url], {
        env: { ...process.env, PYTHONUTF8: '1' },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(JSON.stringify(calls));
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
      assert.equal(code, 0);
      return JSON.parse(output);
    },
  };
}
