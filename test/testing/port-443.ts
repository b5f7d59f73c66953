/** Preloaded into a process whose TLS connections to port 443 are to lead to port APNSD_443, as a firewall's redirect would do it. */
import tls, { type ConnectionOptions } from 'node:tls';

const { connect } = tls;
const port = Number(process.env.APNSD_443);
const redirect = (options: ConnectionOptions) =>
  connect(Number(options.port) === 443 ? { ...options, port } : options);
tls.connect = redirect as typeof connect;
