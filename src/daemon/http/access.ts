/** Who may come in: no web page, and from outside only who proves himself. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Secrets } from '../config/secrets.js';

/** What is answered in place of a call's result. */
export interface Refusal {
  status: number;
  reason: string;
  headers?: OutgoingHttpHeaders;
}

export interface AccessOptions {
  /** Callers must show one of them. */
  secrets: Secrets | undefined;
  /** Callers must show a certificate that the server's authorities have signed. */
  clientCertificates: boolean;
}

/** What a web page can post to any address without asking first. Source: the Fetch standard, CORS-safelisted. */
const formTypes = new Set([
  'text/plain',
  'multipart/form-data',
  'application/x-www-form-urlencoded',
]);

/**
 * Any `Host` is let in: a page whose name was made to lead here shows its `Origin` like any other, since browsers
 * send it with each POST.
 */
export function refusalOf(request: IncomingMessage, options: AccessOptions): Refusal | undefined {
  const { headers, method, socket } = request;
  if (headers.origin !== undefined) {
    return { status: 403, reason: 'a web page may not call: the request has an Origin' };
  }
  if (options.clientCertificates && !showsCertificate(socket as TLSSocket)) {
    return { status: 403, reason: 'no client certificate of a known authority' };
  }
  if (options.secrets && !options.secrets.admit(headers.authorization)) {
    const challenge = { 'WWW-Authenticate': 'Basic realm="apnsd", charset="UTF-8"' };
    return { status: 401, reason: 'wrong or missing secret', headers: challenge };
  }
  if (method !== 'POST') {
    return { status: 405, reason: 'an XML-RPC call is a POST', headers: { Allow: 'POST' } };
  }
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (formTypes.has(type)) {
    const reason = `the content type is a web form's, ${type}, expected text/xml: send Content-Type: text/xml`;
    return { status: 415, reason };
  }
  return undefined;
}

/** A session that is resumed counts as authorized even where its caller has never shown a certificate. */
function showsCertificate(socket: TLSSocket): boolean {
  return socket.authorized && socket.getPeerX509Certificate() !== undefined;
}
