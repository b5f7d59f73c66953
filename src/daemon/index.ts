export { createDaemon, type Daemon, type DaemonKeys, type DaemonOptions } from './daemon.js';
export { jsonLog, type Log } from './log.js';
