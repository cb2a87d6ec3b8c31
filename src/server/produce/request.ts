/**
 * What a produce request says besides its records: durability, partition, the expected offset and the idempotent
 * producer. Most requests say nothing, so nothing is looked up for those beyond the headers themselves.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Durability } from '#log';
import type { Exchange } from '../http/exchange.ts';
import { wholeNumber } from '../http/params.ts';
import { checkShape } from '../http/shape.ts';

const EPOCH_MAX = 32_767;
const SEQUENCE_MAX = 0x7fff_ffff;
const PRODUCER_NAME_MAX = 255;
const PRODUCER_NAME = /^[\x21-\x7e]+$/;

export const produceQuery = z.strictObject({
  durability: z.enum(['fsync', 'memory']).default('fsync').describe('When the answer is given'),
  partition: wholeNumber().optional().describe('For records that name none; required for a batch'),
});

export interface ProducerHeaders {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
}

export interface ProduceRequest {
  readonly durability: Durability;
  readonly partition: number | undefined;
  readonly expectedOffset: number | undefined;
  readonly producer: ProducerHeaders | undefined;
}

const PLAIN: ProduceRequest = {
  durability: 'fsync',
  partition: undefined,
  expectedOffset: undefined,
  producer: undefined,
};

/** @throws REQUEST_INVALID (details: `field`) */
export function readProduceRequest(exchange: Exchange): ProduceRequest {
  const name = exchange.header('producer-id');
  const expected = exchange.header('expected-offset');
  if (name === undefined && expected === undefined && exchange.rawQuery === '') return PLAIN;
  const query = checkShape(produceQuery, Object.fromEntries(exchange.query));
  return {
    durability: query.durability,
    partition: query.partition,
    expectedOffset:
      expected === undefined ? undefined : wholeHeader('Expected-Offset', expected, Number.MAX_SAFE_INTEGER),
    producer: name === undefined ? undefined : readProducer(exchange, name),
  };
}

function readProducer(exchange: Exchange, name: string): ProducerHeaders {
  if (name.length > PRODUCER_NAME_MAX || !PRODUCER_NAME.test(name)) {
    throw wrong('Producer-Id', `must be 1 to ${PRODUCER_NAME_MAX} visible ASCII characters`);
  }
  return {
    name,
    epoch: wholeHeader('Producer-Epoch', exchange.header('producer-epoch'), EPOCH_MAX),
    sequence: wholeHeader('Producer-Seq', exchange.header('producer-seq'), SEQUENCE_MAX),
  };
}

function wholeHeader(name: string, text: string | undefined, max: number): number {
  if (text === undefined) throw wrong(name, 'is required beside Producer-Id');
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw wrong(name, `must be a whole number from 0 to ${max}`);
  return value;
}

function wrong(name: string, problem: string): SluiceError {
  return new SluiceError('REQUEST_INVALID', `${name} ${problem}`, { field: name });
}
