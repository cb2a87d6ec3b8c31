/** Clients of an MQTT broker: one that publishes, made again when it was lost, and those that hold a session. */
import { createHash, randomBytes } from 'node:crypto';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { SluiceError } from '#connector';

const CONNECT_MS = 5_000;
const KEEPALIVE_S = 30;

export interface BrokerSettings {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly tls: 'off' | 'unverified' | 'verified';
  readonly session_days: number;
  readonly format: 'json' | 'text' | 'bytes';
}

/** Connected when it resolves; it does not connect again by itself. */
export function begin(settings: BrokerSettings, more: IClientOptions): Promise<MqttClient> {
  const { host, port, user, password, tls } = settings;
  const client = connect({
    protocol: tls === 'off' ? 'mqtt' : 'mqtts',
    host,
    port,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    rejectUnauthorized: tls === 'verified',
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
    keepalive: KEEPALIVE_S,
    queueQoSZero: false,
    resubscribe: false,
    ...more,
  });
  return new Promise((resolve, reject) => {
    const fail = (error?: Error) => {
      client.end(true);
      reject(error ?? new Error(`the connection to ${host}:${port} was closed`));
    };
    client.once('error', fail);
    client.once('close', fail);
    client.once('connect', () => {
      client.off('error', fail);
      client.off('close', fail);
      client.on('error', () => undefined);
      resolve(client);
    });
  });
}

export class Writer {
  readonly #settings: BrokerSettings;
  readonly #name: string;
  #client: Promise<MqttClient> | undefined;
  #closed = false;

  constructor(settings: BrokerSettings, name: string) {
    this.#settings = settings;
    this.#name = name;
  }

  client(): Promise<MqttClient> {
    if (this.#closed) throw new SluiceError('ENDPOINT_UNREACHABLE', 'the connection is closed');
    this.#client ??= this.#begin().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#client?.catch(() => undefined);
    // All that was published was waited for.
    await client?.endAsync(true);
  }

  async #begin(): Promise<MqttClient> {
    const own = randomBytes(4).toString('hex');
    const client = await begin(this.#settings, { clean: true, clientId: `${this.#name}-${own}` });
    // Each message that is not acknowledged yet listens.
    client.setMaxListeners(0);
    client.once('close', () => {
      this.#client = undefined;
    });
    return client;
  }
}

/** By which the broker knows a reader again. */
export function sessionId(endpoint: string, consumer: string): string {
  const own = createHash('sha256').update(`${endpoint}\0${consumer}`).digest('hex').slice(0, 16);
  return `sluice-${endpoint.slice(0, 40)}-${own}`;
}
