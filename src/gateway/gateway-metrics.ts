/** What the listener threads counted, in the metrics of the process. */
import { type Counter, LATENCY_BOUNDS_S, type Metrics } from '#kernel';
import type { StatsDelta } from './proxy/stats.ts';

export class GatewayMetrics {
  readonly #metrics: Metrics;
  readonly #refused: Counter;
  readonly #full: Counter;
  readonly #exportedSpans: Counter;
  readonly #lostSpans: Counter;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#refused = metrics.counter(
      'sluice_gateway_refused_total',
      'Requests refused before a route was found for them',
    );
    this.#full = metrics.counter(
      'sluice_gateway_full_total',
      'Requests refused because their thread held as many bytes of bodies and answers as it may',
    );
    this.#exportedSpans = metrics.counter('sluice_gateway_spans_exported_total', 'Spans that the collector took');
    this.#lostSpans = metrics.counter('sluice_gateway_spans_lost_total', 'Spans that the collector did not take');
  }

  add(delta: StatsDelta): void {
    const { routes, failures, retries, findings, refused, full, exportedSpans, lostSpans } = delta;
    this.#refused.add(refused);
    this.#full.add(full);
    this.#exportedSpans.add(exportedSpans);
    this.#lostSpans.add(lostSpans);
    for (const [route, { classes, counts, sum, count }] of Object.entries(routes)) {
      for (const [status, requests] of Object.entries(classes)) {
        const help = 'Requests by route and class of status; aborted: the client went away';
        this.#metrics.counter('sluice_gateway_requests_total', help, { route, status }).add(requests);
      }
      const help = 'Time from the head of a request to the end of its answer';
      const seconds = this.#metrics.histogram('sluice_gateway_request_seconds', help, LATENCY_BOUNDS_S, { route });
      for (let i = 0; i < counts.length; i++) seconds.counts[i] = (seconds.counts[i] ?? 0) + (counts[i] as number);
      seconds.sum += sum;
      seconds.count += count;
    }
    for (const [key, number] of Object.entries(failures)) {
      const [upstream = '', target = ''] = key.split('\n');
      const help = 'Attempts that failed, by upstream and target';
      this.#metrics.counter('sluice_gateway_upstream_failures_total', help, { upstream, target }).add(number);
    }
    for (const [key, number] of Object.entries(findings)) {
      const [policy = '', route = '', outcome = ''] = key.split('\n');
      const help = 'What screening and validation found, by route, and whether it was refused or passed';
      this.#metrics.counter('sluice_gateway_findings_total', help, { policy, route, outcome }).add(number);
    }
    for (const [upstream, number] of Object.entries(retries)) {
      const help = 'Attempts made again at another target, by upstream';
      this.#metrics.counter('sluice_gateway_retries_total', help, { upstream }).add(number);
    }
  }
}
