/**
 * Where single records go: whatever arrives within one turn of the event loop becomes one batch for each partition.
 * The accumulator implements it; requests with one record, by HTTP or WebSocket, use it.
 */
import type { SluiceError } from '#kernel';
import type { Durability, Partition } from '#log';
import type { Header } from '#record';

/** Told how one record fared, in a later turn than that of `add`; exactly one of the two is called, once. */
export interface RecordOutcome {
  appended(offset: number): void;
  failed(error: SluiceError): void;
}

export interface RecordSink {
  /**
   * Takes one record; key, value and headers are copied before the call returns.
   * @param timestamp epoch ms; the server's time when undefined
   */
  add(
    partition: Partition,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly Header[],
    timestamp: number | undefined,
    durability: Durability,
    outcome: RecordOutcome,
  ): void;
}
