/** The TypeScript client of a Sluice server, for Node and browsers. */
import { Admin } from './admin.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { Consumer, type ConsumerOptions } from './consumer.ts';
import { Producer, type ProducerOptions } from './producer.ts';
import { QueueConsumer, type QueueConsumerOptions } from './queue-consumer.ts';

export {
  Admin,
  type AdminOptions,
  type DeadLetterDocument,
  type PartitionInfo,
  type ResourceDocument,
} from './admin.ts';
export type { Connection, ConnectionOptions } from './connection.ts';
export type { ConsumedBatch, ConsumedRecord, Consumer, ConsumerOptions } from './consumer.ts';
export type { Payload, Producer, ProducerOptions, ProducerRecord, Stored } from './producer.ts';
export type { NackOptions, QueueConsumer, QueueConsumerOptions, QueuedRecord } from './queue-consumer.ts';

export interface Client {
  readonly admin: Admin;
  readonly connection: Connection;
  producer(options?: ProducerOptions): Producer;
  consumer(options: ConsumerOptions): Consumer;
  consumer(options: QueueConsumerOptions): QueueConsumer;
  /** Ends the connection; close producers and consumers first. */
  close(): void;
}

export function connect(options: ConnectionOptions): Client {
  const connection = new Connection(options);
  const admin = new Admin(options);
  function consumer(consumerOptions: ConsumerOptions): Consumer;
  function consumer(consumerOptions: QueueConsumerOptions): QueueConsumer;
  function consumer(consumerOptions: ConsumerOptions | QueueConsumerOptions): Consumer | QueueConsumer {
    return consumerOptions.mode === 'queue'
      ? new QueueConsumer(connection, consumerOptions)
      : new Consumer(connection, consumerOptions);
  }
  return {
    admin,
    connection,
    producer: (producerOptions = {}) => new Producer(connection, admin, producerOptions),
    consumer,
    close: () => connection.close(),
  };
}
