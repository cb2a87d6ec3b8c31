/** The clients of a Kafka cluster: one that asks and one that writes, made when they are needed, and one for each reader. */
import { randomBytes } from 'node:crypto';
import { type Admin, type Consumer, Kafka, logLevel, type Producer, type SASLOptions } from 'kafkajs';
import { type MessageFormat, messageStream, SluiceError, type Stream } from '#connector';

const CONNECT_MS = 5_000;
const REQUEST_MS = 15_000;
const FETCH_BYTES = 8 * 1024 * 1024;
const FETCH_WAIT_MS = 500;
const RETRY = { retries: 2, initialRetryTime: 200, maxRetryTime: 1_000 };
const BESIDE = {
  _key: 'string',
  _partition: 'int32',
  _offset: 'int64',
  _deleted: 'boolean',
  _headers: 'json',
} as const;

export interface ClusterSettings {
  readonly brokers: readonly string[];
  readonly tls: 'off' | 'unverified' | 'verified';
  readonly sasl: 'off' | 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

export interface Bounds {
  readonly low: bigint;
  /** Behind the last record. */
  readonly high: bigint;
}

export class Cluster {
  readonly #kafka: Kafka;
  readonly #name: string;
  readonly #readers = new Set<() => Promise<void>>();
  #admin: Promise<Admin> | undefined;
  #producer: Promise<Producer> | undefined;
  #closed = false;

  constructor({ brokers, tls, sasl, user = '', password = '' }: ClusterSettings, endpoint: string) {
    this.#name = `sluice-${endpoint}`;
    this.#kafka = new Kafka({
      clientId: this.#name,
      brokers: [...brokers],
      connectionTimeout: CONNECT_MS,
      authenticationTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      retry: RETRY,
      logLevel: logLevel.NOTHING,
      ...(tls === 'off' ? {} : { ssl: { rejectUnauthorized: tls === 'verified' } }),
      ...(sasl === 'off' ? {} : { sasl: { mechanism: sasl, username: user, password } as SASLOptions }),
    });
  }

  async check(): Promise<void> {
    await (await this.#asking()).describeCluster();
  }

  async streams(format: MessageFormat): Promise<Stream[]> {
    const topics = await (await this.#asking()).listTopics();
    const named = topics.filter((topic) => !topic.startsWith('__')).sort();
    return named.map((topic) => streamOf(topic, format));
  }

  /** Asking for one that is not there would make it. @throws ENDPOINT_STREAM_UNKNOWN */
  async stream(name: string, format: MessageFormat): Promise<Stream> {
    const topics = await (await this.#asking()).listTopics();
    if (topics.includes(name)) return streamOf(name, format);
    throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no topic ${name}`, { name });
  }

  /** Of each partition of a topic. */
  async bounds(topic: string): Promise<Map<number, Bounds>> {
    const offsets = await (await this.#asking()).fetchTopicOffsets(topic);
    return new Map(offsets.map(({ partition, low, high }) => [partition, { low: BigInt(low), high: BigInt(high) }]));
  }

  producer(): Promise<Producer> {
    this.#requireOpen();
    this.#producer ??= this.#connected(this.#kafka.producer({ allowAutoTopicCreation: false }), () => {
      this.#producer = undefined;
    });
    return this.#producer;
  }

  /** In a group of its own, which ends with it. */
  async reader(): Promise<{ consumer: Consumer; end(): Promise<void> }> {
    const groupId = `${this.#name}-${randomBytes(8).toString('hex')}`;
    const admin = await this.#asking();
    const consumer = this.#kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxBytes: FETCH_BYTES,
      maxBytesPerPartition: FETCH_BYTES,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      retry: { ...RETRY, restartOnFailure: async () => false },
    });
    await consumer.connect();
    const end = async () => {
      if (!this.#readers.delete(end)) return;
      await consumer.disconnect().catch(() => undefined);
      await admin.deleteGroups([groupId]).catch(() => undefined);
    };
    this.#readers.add(end);
    return { consumer, end };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#readers].map((end) => end()));
    for (const client of [this.#producer, this.#admin]) {
      const open = await client?.catch(() => undefined);
      await open?.disconnect().catch(() => undefined);
    }
  }

  #asking(): Promise<Admin> {
    this.#requireOpen();
    this.#admin ??= this.#connected(this.#kafka.admin(), () => {
      this.#admin = undefined;
    });
    return this.#admin;
  }

  async #connected<Client extends Admin | Producer>(client: Client, lost: () => void): Promise<Client> {
    try {
      await client.connect();
    } catch (error) {
      lost();
      await client.disconnect().catch(() => undefined);
      throw error;
    }
    return client;
  }

  #requireOpen(): void {
    if (this.#closed) throw new SluiceError('ENDPOINT_UNREACHABLE', 'the connection is closed');
  }
}

function streamOf(topic: string, format: MessageFormat): Stream {
  return messageStream(topic, format, BESIDE, { can: ['full', 'incremental', 'changes', 'append'] });
}
