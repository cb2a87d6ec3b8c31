/**
 * Spans of a listener thread on their way to a collector, by OTLP/HTTP in JSON. Batched, bounded, and never waited for: what
 * the collector does not take in time is lost, and counted.
 *
 *   span ─▶ waiting, at most `spansPendingMax` ── 512, or 1 s ──▶ POST ── 2xx ──▶ exported, but for what it rejected
 *                │ full                                      └── 429, 502, 503, 504, no connection ──▶ again, 3 times ──▶ lost
 *                └─▶ lost
 */
import { setTimeout as wait } from 'node:timers/promises';
import { undici } from '../upstream/undici.ts';
import { exportText } from './span-text.ts';

const BATCH_SPANS = 512;
const FLUSH_MS = 1_000;
const ATTEMPTS_MAX = 3;
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 10_000;
const EXPORT_MS = 10_000;
const CLOSE_MS = 2_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const RETRYABLE = new Set([429, 502, 503, 504]);

export interface ExportSettings {
  /** Where spans are posted to. */
  readonly url: string;
  /** Further headers: names and values in turn. */
  readonly headers: readonly string[];
  /** Of traces that begin here, this share is sampled. */
  readonly percent: number;
}

/** What became of spans, for the metrics. */
export interface SpanCounts {
  exportedSpans(spans: number): void;
  lostSpans(spans: number): void;
}

export class SpanExporter {
  readonly #settings: ExportSettings;
  readonly #pendingMax: number;
  readonly #counts: SpanCounts;
  readonly #undici = undici();
  readonly #agent = new this.#undici.Agent({ connections: 1, headersTimeout: EXPORT_MS, bodyTimeout: EXPORT_MS });
  readonly #timer: NodeJS.Timeout;
  /** No further attempts. */
  readonly #closing = new AbortController();
  /** Nor any more waiting for the one under way. */
  readonly #cut = new AbortController();
  #waiting: string[] = [];
  #sending: Promise<void> | undefined;

  constructor(settings: ExportSettings, pendingMax: number, counts: SpanCounts) {
    this.#settings = settings;
    this.#pendingMax = pendingMax;
    this.#counts = counts;
    this.#timer = setInterval(() => this.#begin(), FLUSH_MS);
  }

  /** Whether a trace that begins here is sampled. */
  samples(): boolean {
    return Math.random() * 100 < this.#settings.percent;
  }

  /** @param span as `spanText` makes it */
  add(span: string): void {
    if (this.#waiting.length >= this.#pendingMax) {
      this.#counts.lostSpans(1);
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length >= BATCH_SPANS) this.#begin();
  }

  #begin(): void {
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined;
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const spans = this.#waiting.splice(0, BATCH_SPANS);
      const rejected = await this.#export(exportText(spans), spans.length);
      this.#counts.exportedSpans(spans.length - rejected);
      if (rejected > 0) this.#counts.lostSpans(rejected);
    }
  }

  /** How many were not taken. */
  async #export(body: string, spans: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      let delayMs = Math.min(BACKOFF_MS * 2 ** (attempt - 1), BACKOFF_MS_MAX);
      try {
        const answer = await this.#post(body);
        if (answer.status >= 200 && answer.status < 300) return Math.min(rejectedOf(answer.text), spans);
        if (!RETRYABLE.has(answer.status)) return spans;
        if (answer.retryAfterMs > 0) delayMs = Math.min(answer.retryAfterMs, BACKOFF_MS_MAX);
      } catch {
        // It cannot be reached: as good as 503.
      }
      if (attempt === ATTEMPTS_MAX || this.#closing.signal.aborted) return spans;
      await wait(delayMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  async #post(body: string): Promise<{ status: number; text: string; retryAfterMs: number }> {
    const { url, headers } = this.#settings;
    const answer = await this.#undici.request(url, {
      method: 'POST',
      headers: ['content-type', 'application/json', ...headers],
      body,
      dispatcher: this.#agent,
      signal: AbortSignal.any([AbortSignal.timeout(EXPORT_MS), this.#cut.signal]),
    });
    let text = '';
    for await (const chunk of answer.body) {
      if (text.length < ANSWER_BYTES_MAX) text += String(chunk);
    }
    const retryAfterMs = Number(answer.headers['retry-after'] ?? 0) * 1_000;
    return { status: answer.statusCode, text, retryAfterMs };
  }

  /** Sends what is there, once, for a moment; what is not taken then is lost. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    const timer = setTimeout(() => this.#cut.abort(), CLOSE_MS);
    await this.#sending;
    await this.#drain();
    clearTimeout(timer);
    await this.#agent.destroy();
  }
}

/** Of an answer that took some of them: `{"partialSuccess":{"rejectedSpans":"3"}}`. */
function rejectedOf(text: string): number {
  try {
    const { partialSuccess } = JSON.parse(text) as { partialSuccess?: { rejectedSpans?: unknown } };
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    return 0;
  }
}
