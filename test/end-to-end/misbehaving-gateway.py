"""An APNs gateway of python's h2 that misbehaves: it prints its port, then a JSON line for each request."""
import asyncio
import json
import ssl
import sys
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

MODE, CERT = sys.argv[1:3]
LATE_S = 0.005
EVERY = 200 if MODE == 'cut' else 100
seen = set()
first_at = None


class Gateway(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding='utf-8'))
        self.h2.initiate_connection()
        self.paths = {}
        self.requests = 0
        # The last stream that is processed, once GOAWAY was sent.
        self.last = None
        self.flush()

    def flush(self):
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def data_received(self, data):
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.transport.abort()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self.paths[event.stream_id] = dict(event.headers)[':path']
            elif isinstance(event, StreamEnded):
                self.request(event.stream_id)
            elif isinstance(event, StreamReset):
                self.paths.pop(event.stream_id, None)
        if not self.transport.is_closing():
            self.flush()

    def request(self, stream):
        if self.transport.is_closing() or (self.last is not None and stream > self.last):
            return
        self.requests += 1
        token = self.paths.get(stream, '').rsplit('/', 1)[-1]
        status, headers = self.verdict(token)
        print(json.dumps({'token': token, 'status': status, 'at': time.time() * 1000}), flush=True)
        asyncio.get_running_loop().call_later(LATE_S, self.answer, stream, status, headers)
        if self.requests == EVERY:
            self.misbehave(stream)

    def verdict(self, token):
        global first_at
        first_at = first_at or time.time()
        again = token in seen
        seen.add(token)
        if MODE == '429' and not again:
            return 429, [('retry-after', '4')]
        if MODE == '503' and time.time() < first_at + 12:
            return 503, [('retry-after', '12')]
        return 200, []

    def misbehave(self, stream):
        if MODE == 'cut':
            self.transport.abort()
        elif MODE in ('goaway', 'goaway-early'):
            self.last = stream if MODE == 'goaway' else stream - 50 * 2
            # By hand, since h2 refuses to answer once it has sent one itself.
            payload = self.last.to_bytes(4, 'big') + int(ErrorCodes.NO_ERROR).to_bytes(4, 'big')
            self.flush()
            self.transport.write(len(payload).to_bytes(3, 'big') + b'\x07\x00' + bytes(4) + payload)

    def answer(self, stream, status, headers):
        if self.transport.is_closing() or (self.last is not None and stream > self.last):
            return
        body = b'' if status == 200 else b'{"reason":"%s"}' % (
            b'TooManyRequests' if status == 429 else b'ServiceUnavailable'
        )
        try:
            self.h2.send_headers(stream, [(':status', str(status)), *headers], end_stream=not body)
            if body:
                self.h2.send_data(stream, body, end_stream=True)
        except ProtocolError:
            return
        self.flush()
        if self.last is not None and stream == self.last:
            self.transport.close()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT)
    context.set_alpn_protocols(['h2'])
    server = await asyncio.get_running_loop().create_server(Gateway, '127.0.0.1', 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
