/**
 * One listener thread's side of the port: the native app, the newest table, and the way down.
 *
 *   close: accept no more ─▶ tunnels are told to go ─▶ what is under way ends, or the grace is over ─▶ sockets are cut
 *          ─▶ connections to upstreams are cut; then nothing is open and the thread runs out by itself
 *
 * A thread that ended with native handles open would take the process with it.
 */
// First: the native side reads the environment while it is loaded.
import '#http1';

import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import * as native from 'uWebSockets.js';
import type { BlockList } from 'node:net';
import { threadId } from 'node:worker_threads';
import { type Clock, systemClock } from '#kernel';
import type { ThreadLink } from '../link.ts';
import { CertificateHolders } from '../policies/certificates.ts';
import { OwnIssuer } from '../policies/own-issuer.ts';
import { SharedTable } from '../policies/shared-table.ts';
import { Quotas } from '../quotas/quota-policy.ts';
import { Recorder } from '../records/recorder.ts';
import { SpanExporter } from '../records/span-exporter.ts';
import type { GatewayTable, ListenerSettings } from '../table.ts';
import { networks } from '../upstream/address.ts';
import { GuardedFetch } from '../upstream/guarded-fetch.ts';
import { KeyRing } from './api-key.ts';
import { Exchange } from './exchange.ts';
import { HeldBytes } from './held-bytes.ts';
import { KeptPolicies } from './kept-policies.ts';
import { type ListenerHost, LiveTable } from './live-table.ts';
import type { PolicyParts } from './route-policies.ts';
import { Shadows } from './shadow.ts';
import { Stats, type TargetState, type ThreadState } from './stats.ts';
import { type Tunnel, type TunnelData, upgrade, webSockets } from './tunnel.ts';
import { Watch } from './watch.ts';

const WEBSOCKET_IDLE_S = 120;
const CLOSE_LOOK_MS = 20;

/** A form of `listen` that the library has and its types leave out. */
interface HostListener {
  listen(host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void): void;
}
/** For the thread it is called on; the library's types leave it out. */
interface Silenceable {
  _cfg?(what: 'silent'): void;
}
/** Each thread listens on the same port; the kernel spreads connections over them. */
const SHARED_PORT = 0;

export class Listener implements ListenerHost {
  readonly settings: ListenerSettings;
  readonly link: ThreadLink;
  readonly scheme: 'http' | 'https';
  readonly trusted: BlockList | undefined;
  readonly via: string;
  readonly clock: Clock = systemClock;
  readonly watch: Watch;
  readonly recorder: Recorder | undefined;
  readonly held: HeldBytes;
  readonly shadows: Shadows;
  readonly stats = new Stats();
  readonly spans: SpanExporter | undefined;
  table: LiveTable;
  readonly #parts: PolicyParts;
  readonly #fetch: GuardedFetch;
  readonly #app: TemplatedApp;
  readonly #tunnels = new Set<Tunnel>();
  #socket: us_listen_socket | undefined;
  #underWay = 0;

  constructor(settings: ListenerSettings, link: ThreadLink) {
    this.link = link;
    this.settings = settings;
    const { tls, clientCaFile } = settings;
    this.scheme = tls === undefined ? 'http' : 'https';
    this.trusted = settings.trusted.length === 0 ? undefined : networks(settings.trusted);
    this.via = `1.1 ${settings.pseudonym}`;
    this.watch = new Watch(this.clock);
    this.held = new HeldBytes(settings.limits.gatewayHeldBytesMax, () => this.stats.wasFull());
    this.shadows = new Shadows(this);
    const pendingBytesMax = settings.limits.accessRecordsPendingBytesMax;
    const lost = (records: number) => this.stats.lostRecords(records);
    if (settings.records) this.recorder = new Recorder({ clock: this.clock, link, pendingBytesMax, lost });
    if (settings.spans) this.spans = new SpanExporter(settings.spans, settings.limits.spansPendingMax, this.stats);
    const keys = new KeyRing(this.clock);
    link.watch('keys', (newest) => keys.replace(newest));
    const holders = new CertificateHolders(this.clock);
    link.watch('certificates', (newest) => holders.replace(newest));
    const own = new OwnIssuer(this.clock);
    link.watch('issuer', (newest) => own.replace(newest));
    link.watch('revoked', (newest) => own.replaceRevoked(newest));
    const quotas = new Quotas();
    link.watch('quotas', (newest) => quotas.replace(newest));
    const { limits } = settings;
    this.#fetch = new GuardedFetch(limits);
    this.#parts = {
      clock: this.clock,
      limits,
      link,
      keys,
      own,
      holders,
      quotas,
      kept: new KeptPolicies(),
      stats: this.stats,
      eager: false,
      counters: new SharedTable(settings.counters),
      replays: new SharedTable(settings.replays),
      fetchWithin: (permitted) => this.#fetch.within(permitted),
    };
    this.table = new LiveTable({ version: 0, routes: [], upstreams: [] }, this.#parts, this.stats);
    // No `uWebSockets` header: who asks need not know.
    (native as Silenceable)._cfg?.('silent');
    const ca = clientCaFile === undefined ? {} : { ca_file_name: clientCaFile };
    this.#app =
      tls === undefined
        ? native.App()
        : native.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile, ...ca });
    this.#attach();
  }

  #attach(): void {
    this.#app.ws<TunnelData>('/*', {
      maxPayloadLength: this.settings.limits.gatewayMessageBytesMax,
      // The bound is kept by pausing the upstream; the library's own would drop messages.
      maxBackpressure: 0,
      closeOnBackpressureLimit: false,
      idleTimeout: WEBSOCKET_IDLE_S,
      sendPingsAutomatically: true,
      upgrade: (res, req, context) => upgrade(res, req, context, this),
      open: (ws) => {
        const { tunnel } = ws.getUserData();
        this.#tunnels.add(tunnel);
        tunnel.opened(ws);
      },
      message: (ws, message, binary) => ws.getUserData().tunnel.fromClient(message, binary),
      drain: (ws) => ws.getUserData().tunnel.drained(),
      close: (ws, code, reason) => {
        const { tunnel } = ws.getUserData();
        this.#tunnels.delete(tunnel);
        tunnel.clientClosed(code, reason);
      },
    });
    this.#app.any('/*', (res, req) => {
      new Exchange(res, req, this);
    });
  }

  /** False when the port cannot be bound. */
  listen(): Promise<boolean> {
    const { host, port } = this.settings;
    return new Promise((resolve) => {
      (this.#app as unknown as HostListener).listen(host, port, SHARED_PORT, (socket) => {
        if (socket !== false) this.#socket = socket;
        resolve(socket !== false);
      });
    });
  }

  count(change: 1 | -1): void {
    this.#underWay += change;
  }

  /** As it is at the moment. */
  state(): ThreadState {
    const targets: TargetState[] = [];
    for (const upstream of this.table.upstreams().values()) {
      for (const target of upstream.targets) {
        targets.push({
          upstream: upstream.name,
          target: target.url,
          inFlight: target.inFlight,
          available: upstream.available(target),
          breakerOpen: target.breaker.open,
          ejections: target.breaker.ejections,
        });
      }
    }
    return { thread: threadId, requests: this.#underWay, webSockets: this.#tunnels.size, targets };
  }

  apply(table: GatewayTable): void {
    if (table.routes.some(({ spec }) => spec.websocket)) webSockets();
    this.table = new LiveTable(table, this.#parts, this.stats, this.table);
  }

  async close(graceMs: number): Promise<void> {
    if (this.#socket !== undefined) native.us_listen_socket_close(this.#socket);
    this.#socket = undefined;
    for (const tunnel of this.#tunnels) tunnel.shutDown();
    const deadline = this.clock.monotonic() + graceMs;
    while (this.#underWay > 0 && this.clock.monotonic() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, CLOSE_LOOK_MS));
    }
    this.#app.close();
    this.watch.close();
    await Promise.all([this.recorder?.close(), this.spans?.close()]);
    for (const upstream of this.table.upstreams().values()) upstream.destroy();
    await this.#fetch.destroy();
  }
}
