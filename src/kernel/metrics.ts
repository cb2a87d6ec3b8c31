/**
 * Counters, gauges and histograms in the Prometheus text format. Each layer registers its own at
 * construction; `/metrics` renders the registry. A label set is resolved once to a handle, so that
 * counting on a hot path is one addition.
 */

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  lines(): string[];
}

/** Only goes up, except at a restart. */
export class Counter {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }
}

/** Counts observations into buckets with the given upper bounds (same unit as the observations). */
export class Histogram {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > (this.bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.sum += value;
    this.count++;
  }
}

/** Seconds, from 100 microseconds to 10 seconds. */
export const LATENCY_BOUNDS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

export class Metrics {
  readonly #families = new Map<string, Family>();
  readonly #handles = new Map<string, Map<string, Counter | Histogram>>();

  /** The counter of this name and label set; the same one when asked again. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    const handles = this.#family(name, help, 'counter');
    return handle(handles, labels, () => new Counter());
  }

  histogram(name: string, help: string, bounds: readonly number[], labels: Labels = {}): Histogram {
    const handles = this.#family(name, help, 'histogram');
    return handle(handles, labels, () => new Histogram(bounds));
  }

  /** A value read when the page is rendered; `read` answers one number, or one for each label set. */
  gauge(name: string, help: string, read: () => number | Iterable<readonly [Labels, number]>): void {
    const lines = () => {
      const value = read();
      if (typeof value === 'number') return [`${name} ${value}`];
      return Array.from(value, ([labels, number]) => `${name}${renderLabels(labels)} ${number}`);
    };
    this.#families.set(name, { name, help, type: 'gauge', lines });
  }

  /** The page, text format 0.0.4. */
  render(): string {
    const out: string[] = [];
    for (const family of this.#families.values()) {
      out.push(`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`, ...family.lines());
    }
    return `${out.join('\n')}\n`;
  }

  #family(name: string, help: string, type: 'counter' | 'histogram'): Map<string, Counter | Histogram> {
    let handles = this.#handles.get(name);
    if (handles === undefined) {
      const created = new Map<string, Counter | Histogram>();
      this.#handles.set(name, created);
      this.#families.set(name, { name, help, type, lines: () => renderHandles(name, created) });
      handles = created;
    }
    return handles;
  }
}

function handle<T extends Counter | Histogram>(
  handles: Map<string, Counter | Histogram>,
  labels: Labels,
  create: () => T,
): T {
  const id = renderLabels(labels);
  let found = handles.get(id);
  if (found === undefined) {
    found = create();
    handles.set(id, found);
  }
  return found as T;
}

function renderHandles(name: string, handles: Map<string, Counter | Histogram>): string[] {
  const out: string[] = [];
  for (const [labels, metric] of handles) {
    if (metric instanceof Counter) out.push(`${name}${labels} ${metric.value}`);
    else out.push(...renderHistogram(name, labels, metric));
  }
  return out;
}

function renderHistogram(name: string, labels: string, histogram: Histogram): string[] {
  const inner = labels === '' ? '' : `${labels.slice(1, -1)},`;
  const out: string[] = [];
  let cumulative = 0;
  for (let i = 0; i <= histogram.bounds.length; i++) {
    cumulative += histogram.counts[i] as number;
    const bound = i === histogram.bounds.length ? '+Inf' : String(histogram.bounds[i]);
    out.push(`${name}_bucket{${inner}le="${bound}"} ${cumulative}`);
  }
  out.push(`${name}_sum${labels} ${histogram.sum}`, `${name}_count${labels} ${histogram.count}`);
  return out;
}

function renderLabels(labels: Labels): string {
  const names = Object.keys(labels);
  if (names.length === 0) return '';
  const escaped = (text: string) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
  return `{${names.map((name) => `${name}="${escaped(labels[name] as string)}"`).join(',')}}`;
}
