/**
 * The listening socket: what it may be bound to, TLS, and the way it is opened. Refuses to start where strangers
 * could reach records.
 */

// First: the native side reads the environment while it is loaded.
import '#http1';

import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import * as native from 'uWebSockets.js';
import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { SluiceError } from '#kernel';

/** Where the server listens. */
export interface ListenOptions {
  /** A name or an address. Beyond loopback it needs a client and TLS. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM files. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Permits listening beyond loopback without TLS, as behind a proxy that ends it. */
  readonly allowInsecure?: boolean | undefined;
}

export interface Listening {
  readonly port: number;
  /** Accepts no more connections; those that are open stay. */
  stop(): void;
}

/** A form of `listen` that the library has and its types leave out. */
interface ExclusiveListener {
  listen(host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void): void;
}

/** For the thread it is called on; the library's types leave it out. */
interface Silenceable {
  _cfg?(what: 'silent'): void;
}

/** Port sharing is off: a second server on the port must fail, not take half of the connections. */
const EXCLUSIVE_PORT = 1;

/** @throws CONFIG_INVALID */
export function checkListen(listen: ListenOptions, hasClients: boolean): void {
  const { host, port, tls } = listen;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`the port must be 0 to 65535, not ${port}`);
  if (tls !== undefined) {
    requireFile('certificate', tls.certFile);
    requireFile('key', tls.keyFile);
  }
  if (isLoopback(host)) return;
  if (!hasClients) {
    throw invalid(
      `refusing to listen on ${host}: no client exists, so anyone who reaches the port could read and write everything; ` +
        'create a client while listening on 127.0.0.1, then start again',
    );
  }
  if (tls === undefined && listen.allowInsecure !== true) {
    throw invalid(
      `refusing to listen on ${host} without TLS: keys and records would travel in the clear; give a certificate and ` +
        'a key file, or allow it explicitly where a proxy in front ends TLS',
    );
  }
}

/** Whether only this machine can reach the address. */
function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/** @throws CONFIG_INVALID when the certificate or key is not usable */
export function createApp(listen: ListenOptions): TemplatedApp {
  const { tls } = listen;
  // No `uWebSockets` header: who asks need not know.
  (native as Silenceable)._cfg?.('silent');
  if (tls === undefined) return native.App();
  try {
    return native.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile });
  } catch (error) {
    throw invalid(`the certificate ${tls.certFile} and key ${tls.keyFile} cannot be used`, error);
  }
}

/** @throws CONFIG_INVALID when the address cannot be bound */
export function openSocket(app: TemplatedApp, listen: ListenOptions): Promise<Listening> {
  const { host, port } = listen;
  return new Promise((resolve, reject) => {
    (app as unknown as ExclusiveListener).listen(host, port, EXCLUSIVE_PORT, (socket) => {
      if (socket === false) {
        reject(
          invalid(`cannot listen on ${host} port ${port}: the port is taken or the address is not of this machine`),
        );
        return;
      }
      resolve({ port: native.us_socket_local_port(socket), stop: () => native.us_listen_socket_close(socket) });
    });
  });
}

function requireFile(what: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw invalid(`the TLS ${what} file ${path} cannot be read`, error);
  }
}

function invalid(message: string, cause?: unknown): SluiceError {
  return new SluiceError('CONFIG_INVALID', message, {}, cause);
}
