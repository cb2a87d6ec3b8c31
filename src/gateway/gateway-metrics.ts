/** What the listener threads counted, and how they are at the moment, in the metrics of the process. */
import { type Counter, LATENCY_BOUNDS_S, type Metrics } from '#kernel';
import type { RouteDelta, StatsDelta, TargetState, ThreadState, UpstreamDelta } from './proxy/stats.ts';

export class GatewayMetrics {
  readonly #metrics: Metrics;
  readonly #refused: Counter;
  readonly #full: Counter;
  readonly #exportedSpans: Counter;
  readonly #lostSpans: Counter;
  /** By thread, as it told last. */
  readonly #states = new Map<number, ThreadState>();

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
    this.#gauges(metrics);
  }

  #gauges(metrics: Metrics): void {
    const sum = (of: (state: ThreadState) => number) => () => {
      let all = 0;
      for (const state of this.#states.values()) all += of(state);
      return all;
    };
    const threads = () => this.#states.size;
    metrics.gauge('sluice_gateway_threads', 'Listener threads of the gateway', threads);
    metrics.gauge(
      'sluice_gateway_requests_in_flight',
      'Requests under way',
      sum(({ requests }) => requests),
    );
    metrics.gauge(
      'sluice_gateway_websockets_open',
      'WebSockets that are open',
      sum(({ webSockets }) => webSockets),
    );
    const byTarget = (of: (target: TargetState) => number) => () => this.#byTarget(of);
    metrics.gauge(
      'sluice_gateway_target_requests_in_flight',
      'Requests under way, by upstream and target',
      byTarget(({ inFlight }) => inFlight),
    );
    metrics.gauge(
      'sluice_gateway_target_available_threads',
      'Listener threads that send the target requests; the others hold it to be ill',
      byTarget(({ available }) => (available ? 1 : 0)),
    );
    metrics.gauge(
      'sluice_gateway_target_breaker_open_threads',
      'Listener threads whose breaker keeps requests from the target',
      byTarget(({ breakerOpen }) => (breakerOpen ? 1 : 0)),
    );
  }

  *#byTarget(of: (target: TargetState) => number): Iterable<readonly [Record<string, string>, number]> {
    const sums = new Map<string, number>();
    for (const { targets } of this.#states.values()) {
      for (const one of targets) {
        const key = `${one.upstream}\n${one.target}`;
        sums.set(key, (sums.get(key) ?? 0) + of(one));
      }
    }
    for (const [key, number] of sums) {
      const [upstream = '', target = ''] = key.split('\n');
      yield [{ upstream, target }, number];
    }
  }

  /** How a thread is. */
  note(state: ThreadState): void {
    const before = new Map(
      this.#states.get(state.thread)?.targets.map((one) => [`${one.upstream}\n${one.target}`, one.ejections]),
    );
    this.#states.set(state.thread, state);
    for (const { upstream, target, ejections } of state.targets) {
      // A target that was declared anew begins to count anew.
      const known = before.get(`${upstream}\n${target}`) ?? 0;
      const more = ejections >= known ? ejections - known : ejections;
      const help = 'Times a breaker opened, by upstream and target, on any thread';
      this.#metrics.counter('sluice_gateway_ejections_total', help, { upstream, target }).add(more);
    }
  }

  add(delta: StatsDelta): void {
    const { routes, upstreams, failures, retries, findings, shadowed, refused, full, exportedSpans, lostSpans } = delta;
    this.#refused.add(refused);
    this.#full.add(full);
    this.#exportedSpans.add(exportedSpans);
    this.#lostSpans.add(lostSpans);
    for (const [route, delta] of Object.entries(routes)) this.#route(route, delta);
    for (const [upstream, delta] of Object.entries(upstreams)) {
      const help = 'Time until an upstream began to answer, repeats included';
      this.#observe('sluice_gateway_upstream_seconds', help, { upstream }, delta);
    }
    for (const [key, number] of Object.entries(failures)) {
      const [upstream = '', target = ''] = key.split('\n');
      const help = 'Attempts that failed, by upstream and target';
      this.#metrics.counter('sluice_gateway_upstream_failures_total', help, { upstream, target }).add(number);
    }
    for (const [key, number] of Object.entries(shadowed)) {
      const [route = '', outcome = ''] = key.split('\n');
      const help = 'Copies of requests for a shadow upstream, by route and what became of them';
      this.#metrics.counter('sluice_gateway_shadow_total', help, { route, outcome }).add(number);
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

  #route(route: string, delta: RouteDelta): void {
    const metrics = this.#metrics;
    for (const [status, requests] of Object.entries(delta.classes)) {
      const help = 'Requests by route and class of status; aborted: the client went away';
      metrics.counter('sluice_gateway_requests_total', help, { route, status }).add(requests);
    }
    const help = 'Time from the head of a request to the end of its answer; of a WebSocket, until it was open';
    this.#observe('sluice_gateway_request_seconds', help, { route }, delta);
    for (const [code, number] of Object.entries(delta.refusals)) {
      const told = 'Errors the gateway itself answered with, by route and code: limits, policies, upstreams that fail';
      metrics.counter('sluice_gateway_errors_total', told, { route, code }).add(number);
    }
    const received = 'Bytes of request bodies, and of messages of WebSockets';
    metrics.counter('sluice_gateway_request_bytes_total', received, { route }).add(delta.requestBytes);
    const sent = 'Bytes of bodies of answers, and of messages of WebSockets';
    metrics.counter('sluice_gateway_answer_bytes_total', sent, { route }).add(delta.answerBytes);
  }

  #observe(name: string, help: string, labels: Record<string, string>, delta: UpstreamDelta): void {
    const seconds = this.#metrics.histogram(name, help, LATENCY_BOUNDS_S, labels);
    for (let i = 0; i < delta.counts.length; i++) {
      seconds.counts[i] = (seconds.counts[i] ?? 0) + (delta.counts[i] as number);
    }
    seconds.sum += delta.sum;
    seconds.count += delta.count;
  }
}
