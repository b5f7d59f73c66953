export { jsonLog, type Log } from './config/json-log.js';
export { createDaemon, type Daemon, type DaemonKeys, type DaemonOptions } from './daemon.js';
