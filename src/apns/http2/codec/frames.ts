/** HTTP/2 frames as they stand on the wire (RFC 9113, sections 3.4, 4, 6 and 7). */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const FRAME_HEADER_BYTES = 9;
/** The largest frame payload either side takes until it says otherwise; we never say otherwise. */
export const FRAME_PAYLOAD_BYTES = 16_384;
export const MAX_FRAME_PAYLOAD_BYTES = 2 ** 24 - 1;
export const INITIAL_WINDOW_BYTES = 65_535;
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;
export const MAX_STREAM_ID = 2 ** 31 - 1;

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = {
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

const errorNames = new Map<number, string>(
  Object.entries(ErrorCode).map(([name, code]) => [code, name]),
);

export function nameOfErrorCode(code: number): string {
  return errorNames.get(code) ?? `error code ${code}`;
}

/** The peer broke the protocol: the connection ends with a GOAWAY of this code. */
export class Http2Error extends Error {
  readonly code: number;

  constructor(code: keyof typeof ErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.name = 'Breach';
    this.code = ErrorCode[code];
  }
}

export function writeFrameHeader(
  buffer: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  writeUint32(buffer, at + 5, stream);
}

export function writeUint32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

/** A frame by itself, for what is sent rarely. */
export function makeFrame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array,
): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return makeFrame(FrameType.windowUpdate, 0, stream, uint32(increment));
}

/** Of our PINGs. */
export const PING_PAYLOAD = Buffer.from('apnsd-up', 'latin1');

export function settingsPayload(
  settings: readonly (readonly [id: number, value: number])[],
): Buffer {
  const payload = Buffer.alloc(6 * settings.length);
  settings.forEach(([id, value], position) => {
    payload.writeUInt16BE(id, 6 * position);
    payload.writeUInt32BE(value, 6 * position + 2);
  });
  return payload;
}
