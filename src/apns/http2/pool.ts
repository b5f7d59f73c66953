/** The connections to one gateway: it hands each the requests it can take, and opens and closes them as the load needs. */
import { createSecureContext, rootCertificates } from 'node:tls';
import { ApnsUnavailableError, ClosedError, OverloadedError } from '../../errors.js';
import { type BoundedLog, boundedLog } from '../../log.js';
import type { ApnsRequest, Outcome, Sender, SenderOptions, SendOptions } from '../sender.js';
import { Connection, type Gateway, type Owner } from './connection.js';
import { Deadlines, Waiting } from './deadlines.js';
import { FairQueue } from './fair-queue.js';
import { defaultLimits, type Limits } from './limits.js';
import { abortError, PendingRequest } from './pending-request.js';
import { ServicePause } from './service-pause.js';
import { SlowStart } from './slow-start.js';

/** @throws Error from node:tls where certificate and key are not a pair, or no PEM. Dials at the first need. */
export function createPool(options: SenderOptions): Sender {
  return new Pool(options);
}

class Wait extends Waiting {
  readonly expire: () => void;

  constructor(deadline: number, expire: () => void) {
    super(deadline);
    this.expire = expire;
  }
}

class Pool implements Sender, Owner {
  readonly #gateway: Gateway;
  readonly #limits: Limits;
  readonly #log: BoundedLog;
  readonly #deadlines: Deadlines;
  readonly #waiting = new FairQueue<PendingRequest>();
  /** Those that must not go to a certain connection, by its number. */
  readonly #avoiding = new Map<number, FairQueue<PendingRequest>>();
  /** All whose socket is not gone. */
  readonly #connections = new Set<Connection>();
  /** Those that were given a successor. */
  readonly #replaced = new WeakSet<Connection>();
  /** At most one dials at a time. */
  #dialling: Connection | undefined;
  #redial: NodeJS.Timeout | undefined;
  #dialled = 0;
  /** Connections in a row that answered nothing. */
  #failures = 0;
  #failedAt = 0;
  #lastFailure: Error | undefined;
  /** True where the log says that the gateway can't be reached, and not yet that it can. */
  #saidUnreachable = false;
  /** UNIX milliseconds; absent while there is a connection, or none was needed. */
  #troubleSince: number | undefined;
  /** After a connection was cut with answers missing, for those that come after it. */
  #slowStart: SlowStart | undefined;
  /** Ticks in a row at which requests waited behind full connections. */
  #fullTicks = 0;
  #wakeScheduled = false;
  #pause: ServicePause | undefined;
  readonly #readying = new Set<() => void>();
  #closing: Promise<void> | undefined;
  #retired = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: SenderOptions) {
    const { cert, key, ca, authorization, log = () => {} } = options;
    const { hostname, port } = new URL(options.gateway);
    const host = hostname.replace(/^\[|\]$/g, '');
    this.#gateway = {
      host,
      port: Number(port || 443),
      authority: port ? `${hostname}:${port}` : hostname,
      secureContext: createSecureContext({
        ca: [...rootCertificates, ...(ca ?? [])],
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        minVersion: 'TLSv1.2',
      }),
      hasCertificate: cert !== undefined,
      authorization,
    };
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#log = boundedLog(log, this.#limits.logEveryMs);
    this.#deadlines = new Deadlines(this.#limits.tickMs, () => this.#onTick());
  }

  send(request: ApnsRequest, options: SendOptions): Promise<Outcome> {
    return new Promise((resolve) => {
      const refusal = this.#refusal(request, options);
      if (refusal) return resolve({ kind: 'unsent', cause: refusal });
      const pause = this.#pause;
      if (pause && options.deadline <= pause.until) {
        return resolve({ kind: 'unsent', cause: pause.reason, retryAt: pause.until });
      }
      const exchange = new PendingRequest(request, options, this, resolve);
      this.#deadlines.add(exchange);
      this.#lineFor(exchange).push(exchange);
      this.#wake();
    });
  }

  #refusal(request: ApnsRequest, { deadline, signal }: SendOptions): Error | undefined {
    if (this.#closing) return new ClosedError('the connection to Apple was closed');
    if (!this.hasRoom(1, request.body.length)) {
      return new OverloadedError('too many requests wait for Apple already');
    }
    if (signal?.aborted) return abortError(signal);
    if (deadline > performance.now()) return undefined;
    return new ApnsUnavailableError('the deadline was over at the start');
  }

  hasRoom(requests: number, bodyBytes: number): boolean {
    const { maxWaiting, maxWaitingBytes } = this.#limits;
    let { length, bytes } = this.#waiting;
    for (const line of this.#avoiding.values()) {
      length += line.length;
      bytes += line.bytes;
    }
    return length + requests <= maxWaiting && bytes + bodyBytes <= maxWaitingBytes;
  }

  onSettled(waiting: Waiting): void {
    this.#deadlines.delete(waiting);
    if (waiting instanceof PendingRequest) waiting.pause?.ended();
    if (this.#deadlines.size === 0) this.#onEmpty?.();
  }

  pause(until: number, reason: Error): void {
    if (this.#pause && until <= this.#pause.until) return;
    if (!this.#pause?.lasts) this.#log('paused', { reason: reason.message });
    this.#pause = new ServicePause(until, reason, this.#pause);
  }

  trouble(): Error | undefined {
    if (this.#pause?.lasts) return this.#pause.reason;
    return this.#open().length === 0 ? this.#lastFailure : undefined;
  }

  get connected(): boolean {
    return this.#open().length > 0;
  }

  get troubleSince(): number | undefined {
    return this.#pause?.lasts ? this.#pause.since : this.#troubleSince;
  }

  ready({ deadline, signal }: SendOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error) => {
        this.onSettled(wait);
        this.#readying.delete(check);
        signal?.removeEventListener('abort', abort);
        if (error) reject(error);
        else resolve();
      };
      const check = () => {
        if (this.#closing) done(new ClosedError('the connection to Apple was closed'));
        else if (this.#open().length > 0) done();
      };
      const abort = () => done(signal?.reason);
      const late = () => new ApnsUnavailableError('no connection to Apple by the deadline');
      const wait = new Wait(deadline, () => done(this.#lastFailure ?? late()));
      this.#deadlines.add(wait);
      this.#readying.add(check);
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
      check();
      this.#dialIfNeeded();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  retire(): Promise<void> {
    this.#retired = true;
    for (const line of [this.#waiting, ...this.#avoiding.values()]) {
      for (let first = line.shift(); first; first = line.shift()) this.#handBack(first);
    }
    return this.close();
  }

  #handBack(
    exchange: PendingRequest,
    cause: Error = new ClosedError('the connection was retired'),
  ): void {
    exchange.settle({ kind: 'unsent', cause });
  }

  async #close(): Promise<void> {
    // The promise must stand in `#closing` before anybody is told.
    await undefined;
    for (const check of [...this.#readying]) check();
    if (this.#deadlines.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
    clearTimeout(this.#redial);
    const connections = [...this.#connections];
    for (const connection of connections) connection.drain('closed by us');
    await Promise.all(connections.map((connection) => connection.gone));
  }

  // What the connections ask and tell

  next(connection: Connection): PendingRequest | undefined {
    if (this.#pause?.over) this.#pause = undefined;
    const pause = this.#pause;
    if (pause && !pause.admits) return undefined;
    const exchange = this.#nextFor(connection);
    if (pause && exchange) {
      pause.left();
      exchange.pause = pause;
    }
    return exchange;
  }

  #nextFor(connection: Connection): PendingRequest | undefined {
    for (const [avoided, line] of this.#avoiding) {
      const exchange = avoided === connection.id ? undefined : line.shift();
      if (exchange) return exchange;
    }
    return this.#waiting.shift();
  }

  hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  giveBack(exchange: PendingRequest, cause: Error): void {
    if (this.#retired) {
      this.#handBack(exchange, cause);
      return;
    }
    exchange.pause?.returned();
    exchange.pause = undefined;
    exchange.setback = cause;
    this.#lineFor(exchange).pushFront(exchange);
    this.#wake();
  }

  opened(connection: Connection): void {
    this.#dialling = undefined;
    this.#lastFailure = undefined;
    this.#troubleSince = undefined;
    this.#fullTicks = 0;
    // Who has read of the trouble reads of its end, however short it was.
    const everyMs = this.#saidUnreachable ? 0 : this.#limits.logEveryMs;
    const fields = { connection: connection.id, gateway: this.#gateway.authority };
    this.#log('connected', fields, everyMs);
    this.#saidUnreachable = false;
    for (const check of [...this.#readying]) check();
    this.#wake();
  }

  worked(connection: Connection): void {
    this.#forgive();
    if (connection.phase === 'draining') this.#replace(connection);
    else this.#dialIfNeeded();
  }

  slowStart(): SlowStart | undefined {
    return this.#slowStart;
  }

  draining(connection: Connection, reason: string): void {
    this.#log('draining', { connection: connection.id, reason });
    this.#admitAvoiding(connection.id);
    // One that carries nothing is over in a moment, and judged before the next is dialled.
    if (connection.busy) this.#replace(connection);
  }

  closed(connection: Connection, error: Error | undefined): void {
    this.#admitAvoiding(connection.id);
    if (error) this.#logEnd(connection, error);
    if (this.#dialling === connection) {
      this.#dialling = undefined;
      // Nobody else can be had: any connection is better than none.
      for (const avoided of [...this.#avoiding.keys()]) this.#admitAvoiding(avoided);
    }
    this.#lastFailure = error ?? this.#lastFailure;
    if (this.#lastFailure && !this.connected) this.#troubleSince ??= Date.now();
    if (connection.answered === 0 && !connection.dismissed) {
      this.#failures += 1;
      this.#failedAt = performance.now();
    }
    const { answered, lost } = connection;
    if (lost > 0) this.#slowStart = new SlowStart(answered, lost);
    this.#replace(connection);
    this.#wake();
  }

  #logEnd(connection: Connection, { message }: Error): void {
    const fields = { connection: connection.id, reason: message };
    if (this.#dialling !== connection) {
      this.#log('disconnected', fields);
      return;
    }
    const { logEveryMs, remindEveryMs } = this.#limits;
    const everyMs = this.#saidUnreachable ? remindEveryMs : logEveryMs;
    if (this.#log('unreachable', fields, everyMs)) this.#saidUnreachable = true;
  }

  idle(connection: Connection, idleMs: number): void {
    if (idleMs <= this.#limits.spareAfterMs || this.#open().length === 1) return;
    connection.drain('spare');
  }

  // When to dial

  /**
   * One that worked gets its successor at once, needed or not. Any other has it where it is needed: whether it failed is
   * known when it has ended.
   */
  #replace(lost: Connection): void {
    const missed = lost.answered > 0 && !lost.dismissed && this.#open().length === 0;
    if (!missed || this.#closing || this.#replaced.has(lost)) {
      this.#dialIfNeeded();
      return;
    }
    this.#replaced.add(lost);
    this.#forgive();
    this.#dial();
  }

  /** The gateway works: the next dial need not wait. */
  #forgive(): void {
    this.#failures = 0;
    clearTimeout(this.#redial);
    this.#redial = undefined;
  }

  #dialIfNeeded(): void {
    const open = this.#open();
    const needed = this.#waiting.length > 0 || this.#readying.size > 0;
    const avoided = [...this.#avoiding].some(
      ([id, line]) => line.length > 0 && open.every((connection) => connection.id === id),
    );
    if (avoided || (needed && open.length === 0)) this.#dial();
  }

  /** Called while a request waits. */
  #onTick(): void {
    // What waited for the end of a pause.
    if (this.#pause && !this.#pause.lasts) this.#wake();
    this.#growIfFull();
  }

  #growIfFull(): void {
    const full = this.#waiting.length > 0 && this.#open().every((connection) => connection.full);
    this.#fullTicks = full ? this.#fullTicks + 1 : 0;
    if (this.#fullTicks * this.#limits.tickMs >= this.#limits.growAfterMs) this.#dial();
  }

  #dial(): void {
    if (this.#dialling || this.#redial) return;
    const { maxConnections } = this.#limits;
    if (this.#open().length >= maxConnections || this.#undecided() > maxConnections) return;
    const waitMs = this.#failedAt + this.#backoffMs() - performance.now();
    if (waitMs > 0) {
      this.#redial = setTimeout(() => {
        this.#redial = undefined;
        this.#dialIfNeeded();
      }, waitMs).unref();
      return;
    }
    this.#dialled += 1;
    const connection = new Connection(this.#dialled, this.#gateway, this.#limits, this);
    this.#dialling = connection;
    this.#connections.add(connection);
    connection.gone.then(() => this.#connections.delete(connection));
  }

  #backoffMs(): number {
    if (this.#failures === 0) return 0;
    const { firstMs, factor, maxMs } = this.#limits.backoff;
    const longest = Math.min(firstMs * factor ** (this.#failures - 1), maxMs);
    return longest * (0.5 + this.#limits.random() / 2);
  }

  // The lines

  #open(): Connection[] {
    return [...this.#connections].filter(({ phase }) => phase === 'open');
  }

  /** How many go away before they have answered anything: each may be one that fails. */
  #undecided(): number {
    const connections = [...this.#connections];
    return connections.filter(({ phase, answered }) => phase === 'draining' && answered === 0)
      .length;
  }

  /** A connection that is gone, or the only one we may have, can't be avoided. */
  #lineFor({ avoid }: PendingRequest): FairQueue<PendingRequest> {
    if (avoid === undefined || this.#limits.maxConnections === 1) return this.#waiting;
    if (!this.#open().some(({ id }) => id === avoid)) return this.#waiting;
    const line = this.#avoiding.get(avoid) ?? new FairQueue<PendingRequest>();
    this.#avoiding.set(avoid, line);
    return line;
  }

  #admitAvoiding(avoided: number): void {
    const line = this.#avoiding.get(avoided);
    this.#avoiding.delete(avoided);
    const exchanges: PendingRequest[] = [];
    for (let first = line?.shift(); first; first = line?.shift()) exchanges.unshift(first);
    for (const exchange of exchanges) this.#waiting.pushFront(exchange);
  }

  #wake(): void {
    if (this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    setImmediate(() => {
      this.#wakeScheduled = false;
      for (const connection of this.#connections) connection.pump();
      this.#dialIfNeeded();
    });
  }
}
