/** What a simulator has seen, in memory and in a file. */
import type { RecordFile } from './record-file.js';
import { Waiting } from './waiting.js';

/** One request as the simulator recorded it, and one line of the file that `record` names. */
export interface RecordedRequest {
  /** UNIX milliseconds. */
  at: number;
  /** The connection's number, from 1. */
  connection: number;
  /** apns-topic, or what the certificate stands for; empty where neither tells. */
  topic: string;
  /** The device token, in lower case. */
  token: string;
  /** apns-id in lower case; the simulator's own where the request had none or a bad one. */
  id: string;
  /** As they came, names in lower case, pseudo headers too; repeated ones joined by a comma. */
  headers: Record<string, string>;
  /** The payload as an object, or its text where it is none. */
  payload: unknown;
  /** The status that was answered; 0: recorded, then cut off on command. */
  status: number;
  /** Apple's reason; null with status 200 and 0. */
  reason: string | null;
}

export class Records {
  readonly requests: RecordedRequest[] = [];
  readonly accepted: RecordedRequest[] = [];
  readonly counts = { requests: 0, accepted: 0 };
  readonly #remember: boolean;
  readonly #file: RecordFile | undefined;
  readonly #waiting = new Waiting<RecordedRequest>();

  constructor(file: RecordFile | undefined, remember: boolean) {
    this.#file = file;
    this.#remember = remember;
  }

  /** In the file when this returns, if it can be written, so that whoever has an answer finds its request there. */
  add(request: RecordedRequest): void {
    this.#file?.add(JSON.stringify(request));
    const accepted = request.status === 200;
    this.counts.requests += 1;
    if (accepted) this.counts.accepted += 1;
    if (this.#remember) this.requests.push(request);
    if (this.#remember && accepted) this.accepted.push(request);
    this.#waiting.tell(request);
  }

  next(wants: (request: RecordedRequest) => boolean): Promise<RecordedRequest> {
    return this.#waiting.next(wants);
  }

  close(reason: Error): void {
    this.#file?.close();
    this.#waiting.end(reason);
  }
}
