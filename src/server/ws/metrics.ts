/** What the WebSocket side counts. */
import type { Counter, Metrics } from '#kernel';
import type { Session } from './session.ts';

export interface WebSocketMetrics {
  readonly produces: Counter;
  readonly delivered: Counter;
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  readonly errors: Counter;
}

export function webSocketMetrics(metrics: Metrics, sessions: ReadonlySet<Session>): WebSocketMetrics {
  metrics.gauge('sluice_ws_connections', 'Open WebSocket connections', () => sessions.size);
  metrics.gauge('sluice_ws_buffered_bytes', 'Bytes that wait in the server for sockets to take them', () => {
    let bytes = 0;
    for (const session of sessions) bytes += session.bufferedBytes;
    return bytes;
  });
  return {
    produces: metrics.counter('sluice_ws_produce_messages_total', 'Produce messages received'),
    delivered: metrics.counter('sluice_ws_records_delivered_total', 'Records sent to subscriptions'),
    bytesIn: metrics.counter('sluice_ws_bytes_received_total', 'Payload bytes received'),
    bytesOut: metrics.counter('sluice_ws_bytes_sent_total', 'Payload bytes sent'),
    errors: metrics.counter('sluice_ws_errors_total', 'Errors answered'),
  };
}
