/** What the peer's SETTINGS allow (RFC 9113, section 6.5.2). */
import type { Frame } from './codec/frame-reader.js';
import {
  FRAME_PAYLOAD_BYTES,
  Http2Error,
  INITIAL_WINDOW_BYTES,
  MAX_FRAME_PAYLOAD_BYTES,
  MAX_WINDOW_BYTES,
  Setting,
} from './codec/frames.js';

export class PeerSettings {
  headerTableBytes = 4096;
  maxStreams = Number.POSITIVE_INFINITY;
  streamWindowBytes = INITIAL_WINDOW_BYTES;
  framePayloadBytes = FRAME_PAYLOAD_BYTES;
  headerListBytes = Number.POSITIVE_INFINITY;

  apply(frame: Frame): void {
    if (frame.length % 6 !== 0) throw new Http2Error('FRAME_SIZE_ERROR', 'SETTINGS is cut off');
    for (let at = 0; at < frame.length; at += 6) {
      this.#set(frame.bytes.readUInt16BE(frame.start + at), frame.uint32(at + 2));
    }
  }

  #set(setting: number, value: number): void {
    switch (setting) {
      case Setting.headerTableSize:
        this.headerTableBytes = value;
        break;
      case Setting.enablePush:
        if (value !== 0) throw new Http2Error('PROTOCOL_ERROR', 'a server may not enable push');
        break;
      case Setting.maxConcurrentStreams:
        this.maxStreams = value;
        break;
      case Setting.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) {
          throw new Http2Error(
            'FLOW_CONTROL_ERROR',
            `an initial window of ${value} bytes is too large`,
          );
        }
        this.streamWindowBytes = value;
        break;
      case Setting.maxFrameSize:
        if (value < FRAME_PAYLOAD_BYTES || value > MAX_FRAME_PAYLOAD_BYTES) {
          throw new Http2Error('PROTOCOL_ERROR', `a maximum frame size of ${value} is not allowed`);
        }
        this.framePayloadBytes = value;
        break;
      case Setting.maxHeaderListSize:
        this.headerListBytes = value;
        break;
    }
  }
}
