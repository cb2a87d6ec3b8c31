/**
 * For the demo: average and 95th percentile of the departure delay of each airport on each day, with the airport's name
 * from a table. The percentile is exact, so a day's delays are kept until the day is over and done with.
 */
import { defineProcessor, json } from 'sluice/processing';

const DAY_MS = 24 * 3_600_000;

interface Flight {
  readonly delay: number;
}

interface Airport {
  readonly name: string;
}

interface Day {
  airport: string;
  day: number;
  readonly delays: number[];
}

/** One airport on one day. */
export interface Delays {
  readonly airport: string;
  readonly name: string | null;
  /** Epoch milliseconds of its midnight, UTC. */
  readonly day: number;
  readonly flights: number;
  readonly mean: number;
  readonly p95: number;
}

function summarise({ airport, day, delays }: Day): Delays {
  const sorted = delays.toSorted((a, b) => a - b);
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
  const p95 = sorted[Math.ceil(delays.length * 0.95) - 1] as number;
  return { airport, name: null, day, flights: delays.length, mean, p95 };
}

export default defineProcessor({
  inputs: { flights: json<Flight>() },
  outputs: { delays: json<Delays>() },
  tables: { airports: json<Airport>() },
  build({ stream, table }) {
    stream('flights')
      .groupBy((_flight, { key, timestamp }) => `${key}|${Math.floor(timestamp / DAY_MS)}`)
      .aggregate({
        name: 'days',
        init: (): Day => ({ airport: '', day: 0, delays: [] }),
        add: (day, { delay }, { key, timestamp }) => {
          day.airport = (key ?? '').split('|', 1)[0] ?? '';
          day.day = Math.floor(timestamp / DAY_MS) * DAY_MS;
          day.delays.push(delay);
          return day;
        },
      })
      .map(summarise)
      .join(table('airports'), {
        key: ({ airport }) => airport,
        join: (delays, airport) => ({ ...delays, name: airport?.name ?? null }),
        left: true,
      })
      .to('delays');
  },
});
