/**
 * When a job's next run is due. A schedule is heeded once for each of its times that have passed, however many those were while
 * the server was down or a run was under way; an event is a record that came to the trigger's topic since the last run began.
 */
import type { Log } from '#log';
import { nextTime } from '../kinds/cron.ts';
import type { JobSpec } from '../kinds/job-kind.ts';
import type { RunCause } from './place.ts';

export interface DueState {
  readonly now: number;
  /** Somebody asked for a run. */
  readonly requested: boolean;
  /** When its schedule was last heeded; 0: never. */
  readonly scheduledAt: number;
  readonly declaredAt: number;
  /** End of the last run of this process; undefined: there was none. */
  readonly endedAt: number | undefined;
  /** Of the trigger's topic: records since the last run began. */
  readonly events: number;
}

export interface Due {
  readonly cause: RunCause;
  /** Epoch ms; in the past or now: it is due. */
  readonly at: number;
}

/** Null: not before something happens. */
export function nextDue({ strategy, schedule, poll_ms }: JobSpec, state: DueState): Due | null {
  if (state.requested) return { cause: 'request', at: state.now };
  switch (strategy) {
    case 'real_time':
      return state.endedAt === undefined
        ? { cause: 'start', at: state.now }
        : { cause: 'poll', at: state.endedAt + poll_ms };
    case 'scheduled': {
      const since = Math.max(state.scheduledAt, state.declaredAt);
      const at = nextTime(schedule?.cron as string, schedule?.time_zone as string, since);
      return at === null ? null : { cause: 'schedule', at };
    }
    case 'event_driven':
      return state.events > 0 ? { cause: 'event', at: state.now } : null;
    default:
      return null;
  }
}

/** Records of a topic behind what a group has committed. */
export function eventsSince(log: Log, topic: string, group: string): number {
  const partitions = log.findTopic(topic)?.partitions ?? [];
  return partitions.reduce((sum, { index, durable, start }) => {
    return sum + durable - Math.max(start, log.committedOffset(group, topic, index) ?? 0);
  }, 0);
}
