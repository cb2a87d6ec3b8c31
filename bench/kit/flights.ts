/**
 * The 3,000,000 flights of vega-datasets' `flights-3m.parquet`, held as columns; each row becomes the same bytes every
 * time, so that what comes out of the log can be compared with the file itself.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** The package exports its code only; the data lies beside it. */
const FILE = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data', 'flights-3m.parquet');

export class Flights {
  readonly count: number;
  readonly #departures: Float64Array;
  readonly #delays: Int16Array;
  readonly #distances: Int16Array;
  readonly #origins: Uint16Array;
  readonly #destinations: Uint16Array;
  readonly airports: string[] = [];
  readonly #codes = new Map<string, number>();
  readonly #keys: Buffer[] = [];

  private constructor(count: number) {
    this.count = count;
    this.#departures = new Float64Array(count);
    this.#delays = new Int16Array(count);
    this.#distances = new Int16Array(count);
    this.#origins = new Uint16Array(count);
    this.#destinations = new Uint16Array(count);
  }

  static async read(progress: (rows: number) => void = () => undefined): Promise<Flights> {
    const file = await asyncBufferFromFile(FILE);
    const metadata = await parquetMetadataAsync(file);
    const flights = new Flights(Number(metadata.num_rows));
    let start = 0;
    for (const group of metadata.row_groups) {
      const end = start + Number(group.num_rows);
      await parquetRead({
        file,
        metadata,
        compressors,
        rowStart: start,
        rowEnd: end,
        onChunk: ({ columnName, columnData, rowStart }) => flights.#take(columnName, columnData, rowStart),
      });
      start = end;
      progress(end);
    }
    return flights;
  }

  #take(column: string, data: ArrayLike<unknown>, start: number): void {
    for (let i = 0; i < data.length; i++) {
      const value = data[i];
      const row = start + i;
      if (column === 'date') this.#departures[row] = (value as Date).getTime();
      else if (column === 'delay') this.#delays[row] = Number(value);
      else if (column === 'distance') this.#distances[row] = Number(value);
      else if (column === 'origin') this.#origins[row] = this.#code(value as string);
      else this.#destinations[row] = this.#code(value as string);
    }
  }

  #code(airport: string): number {
    let code = this.#codes.get(airport);
    if (code === undefined) {
      code = this.airports.length;
      this.#codes.set(airport, code);
      this.airports.push(airport);
      this.#keys.push(Buffer.from(airport));
    }
    return code;
  }

  origin(row: number): number {
    return this.#origins[row] as number;
  }

  /** The airport of departure: the record's key. */
  key(row: number): Buffer {
    return this.#keys[this.origin(row)] as Buffer;
  }

  /** Minutes. */
  delay(row: number): number {
    return this.#delays[row] as number;
  }

  /** Epoch milliseconds of the departure: the record's timestamp. */
  timestamp(row: number): number {
    return this.#departures[row] as number;
  }

  /** The record's value: JSON, the row number first. */
  value(row: number): Buffer {
    const destination = this.airports[this.#destinations[row] as number];
    return Buffer.from(
      `{"flight":${row},"delay":${this.#delays[row]},"distance":${this.#distances[row]},"destination":"${destination}"}`,
      'latin1',
    );
  }

  /** The row number in a value; -1 when it is none. */
  static rowOf(value: Uint8Array): number {
    let row = 0;
    let at = 10;
    for (; at < value.length; at++) {
      const digit = (value[at] as number) - 48;
      if (digit < 0 || digit > 9) break;
      row = row * 10 + digit;
    }
    return at === 10 ? -1 : row;
  }
}
