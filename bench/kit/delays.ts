/**
 * What the demo's processor must give, reckoned from the file alone: number of flights, mean and 95th percentile of the
 * delay of each airport on each day. And the comparison, number for number.
 */
import type { Client } from '#client';
import type { Delays } from '../processors/delays.ts';
import type { Flights } from './flights.ts';

const DAY_MS = 24 * 3_600_000;

function expected(flights: Flights, names: ReadonlyMap<string, string>): Map<string, Delays> {
  const days = new Map<string, number[]>();
  for (let row = 0; row < flights.count; row++) {
    const place = `${flights.origin(row)}/${Math.floor(flights.timestamp(row) / DAY_MS)}`;
    const delays = days.get(place);
    if (delays === undefined) days.set(place, [flights.delay(row)]);
    else delays.push(flights.delay(row));
  }
  const all = new Map<string, Delays>();
  for (const [place, delays] of days) {
    const [origin, day] = place.split('/').map(Number) as [number, number];
    const airport = flights.airports[origin] as string;
    let sum = 0;
    for (const delay of delays) sum += delay;
    // Nearest rank.
    const p95 = Float64Array.from(delays).sort()[Math.ceil(delays.length * 0.95) - 1] as number;
    const name = names.get(airport) ?? null;
    const mean = sum / delays.length;
    all.set(`${airport}|${day}`, { airport, name, day: day * DAY_MS, flights: delays.length, mean, p95 });
  }
  return all;
}

export interface Compared {
  readonly airportDays: number;
  readonly different: number;
}

/** Holds the newest record of each key in topic `delays` against the file. */
export async function compareDelays(
  client: Client,
  flights: Flights,
  names: ReadonlyMap<string, string>,
): Promise<Compared> {
  const want = expected(flights, names);
  const total = (await client.admin.partitions('delays')).reduce((sum, { durable }) => sum + durable, 0);
  const found = new Map<string, Delays>();
  let read = 0;
  for await (const { key, value } of client.consumer({ topic: 'delays', from: 'earliest' })) {
    found.set(Buffer.from(key ?? []).toString(), JSON.parse(Buffer.from(value ?? []).toString()) as Delays);
    if (++read === total) break;
  }
  let different = Math.abs(found.size - want.size);
  for (const [key, { airport, name, day, flights: count, mean, p95 }] of want) {
    const got = found.get(key);
    const same =
      got?.airport === airport &&
      got.name === name &&
      got.day === day &&
      got.flights === count &&
      got.mean === mean &&
      got.p95 === p95;
    if (!same) different++;
  }
  return { airportDays: want.size, different };
}
