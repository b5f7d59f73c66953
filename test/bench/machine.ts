/** Where and when the figures were found. */
import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, type } from 'node:os';

export interface Machine {
  date: string;
  cpu: string;
  cores: number;
  os: string;
  node: string;
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? arch(),
    cores: availableParallelism(),
    os: osName(),
    node: process.version,
  };
}

function osName(): string {
  const file = '/etc/os-release';
  const [, name] =
    (existsSync(file) && /^PRETTY_NAME="(.*)"$/m.exec(readFileSync(file, 'utf8'))) || [];
  return name ?? `${type()} ${release()}`;
}
