/**
 * `try`: its tasks, and what is done about the errors it catches: retry after a while, then `catch.do`. What is caught and
 * not retried any more ends the task with the output of `catch.do`, or with its input where there is none.
 */
import type { RetryPolicy } from '../definition/parts.ts';
import type { TryTask } from '../definition/tasks.ts';
import type { Behaviour, Place } from '../engine/behaviour.ts';
import { problem, typeName } from '../engine/fault.ts';
import type { Frame, Problem } from '../engine/model.ts';
import { configuration, type Node, type Planner } from '../engine/plan.ts';
import type { Run } from '../engine/run.ts';
import { durationMs, isTrue, type Template, type Templates } from '../engine/templates.ts';

interface Retry {
  readonly when: Template | undefined;
  readonly exceptWhen: Template | undefined;
  readonly delay: Template | undefined;
  readonly backoff: 'constant' | 'linear' | 'exponential';
  readonly increment: Template | undefined;
  readonly factor: number;
  readonly delayMax: Template | undefined;
  readonly attemptsMax: number;
  readonly attemptDuration: Template | undefined;
  readonly duration: Template | undefined;
  readonly jitter: readonly [from: Template, to: Template] | undefined;
}

interface Body {
  readonly tasks: readonly Node[];
  readonly as: string;
  readonly filter: Template | undefined;
  readonly when: Template | undefined;
  readonly exceptWhen: Template | undefined;
  readonly retry: Retry | undefined;
  readonly handler: readonly Node[] | undefined;
  readonly then: string | undefined;
}

interface Data {
  readonly phase: 'try' | 'rest' | 'catch';
  /** Of the tasks, from 1. */
  readonly attempt: number;
}

export const tryBehaviour: Behaviour = {
  compile: (task: TryTask, planner: Planner, pointer: string): Body => {
    const { templates } = planner;
    const { errors, as = 'error', when, exceptWhen, retry, do: handler, then } = task.catch;
    const optional = (text: string | undefined) => (text === undefined ? undefined : templates.expression(text));
    return {
      tasks: planner.list(task.try, `${pointer}/try`),
      as,
      filter: errors?.with === undefined ? undefined : templates.value(errors.with),
      when: optional(when),
      exceptWhen: optional(exceptWhen),
      retry: retry === undefined ? undefined : compileRetry(policyOf(retry, planner), templates),
      handler: handler === undefined ? undefined : planner.list(handler, `${pointer}/catch/do`),
      then,
    };
  },
  start: (run, node, place, input) => {
    const dueAt = attemptEndsAt(run, place, node, input);
    const data: Data = { phase: 'try', attempt: 1 };
    run.open(node, place, input, { value: input, data, ...(dueAt === undefined ? {} : { dueAt }) });
  },
  advance: (run, frame, node) => {
    const { tasks, handler, then } = node.body as Body;
    const catching = (frame.data as Data).phase === 'catch';
    const next = catching ? (then ?? node.then ?? null) : (node.then ?? null);
    run.advanceList(frame, catching ? (handler ?? []) : tasks, (value) => run.end(frame, node, value, next));
  },
  due: (run, frame, node) => {
    const { attempt, phase } = frame.data as Data;
    if (phase === 'try') return expire(run, frame, node);
    const data: Data = { phase: 'try', attempt: attempt + 1 };
    const { id, task, input } = frame;
    const dueAt = attemptEndsAt(run, frame, node, input) ?? null;
    const change = { what: 'retrying', data, value: input, waits: null, dueAt, ready: true };
    run.record({ type: 'task.updated', frame: id, task, ...change });
  },
  caught: (run, frame, node, error) => {
    const body = node.body as Body;
    const { phase, attempt } = frame.data as Data;
    if (phase !== 'try') return false;
    const holds = (template: Template | undefined) =>
      template !== undefined && isTrue(evaluateOver(run, frame, node, template, error));
    const filter = body.filter === undefined ? {} : evaluateOver(run, frame, node, body.filter, error);
    if (!matches(filter as Record<string, unknown>, error)) return false;
    if ((body.when !== undefined && !holds(body.when)) || holds(body.exceptWhen)) return false;
    const { retry } = body;
    const vars = { [body.as]: error };
    const { id, task } = frame;
    if (retry !== undefined && (retry.when === undefined || holds(retry.when)) && !holds(retry.exceptWhen)) {
      const delayMs = nextDelayMs(run, frame, node, retry, error);
      if (delayMs !== undefined) {
        const data: Data = { phase: 'rest', attempt };
        const dueAt = run.now + delayMs;
        const change = { what: 'resting', vars, data, waits: 'timer' as const, dueAt, ready: false };
        run.record({ type: 'task.updated', frame: id, task, ...change });
        return true;
      }
      // Out of attempts, and nobody says what else to do: it is the error it was.
      if (body.handler === undefined) return false;
    }
    const data: Data = { phase: 'catch', attempt };
    const change = { what: 'caught', vars, data, value: frame.input, dueAt: null, ready: true };
    run.record({ type: 'task.updated', frame: id, task, ...change });
    return true;
  },
};

/** When the attempt that begins now has taken too long; undefined: it may take as long as it likes. */
function attemptEndsAt(run: Run, place: Place, node: Node, input: unknown): number | undefined {
  const { retry } = node.body as Body;
  if (retry?.attemptDuration === undefined) return undefined;
  return run.now + durationMs(run.evaluate(retry.attemptDuration, place, node, input, input));
}

/** The attempt has taken too long: what is in it is given up, and that is an error like any other. */
function expire(run: Run, frame: Frame, node: Node): void {
  for (const inner of [...run.instance.frames.values()]) if (inner.parent === frame.id) run.cancelFrame(inner);
  const error = { ...problem('timeout', 408, 'an attempt took too long'), instance: node.pointer };
  if (tryBehaviour.caught?.(run, frame, node, error, null) !== true) run.fail(frame, node, error);
}

function policyOf(retry: RetryPolicy | string, { document }: Planner): RetryPolicy {
  const found = typeof retry === 'string' ? document.use?.retries?.[retry] : retry;
  if (found === undefined) throw configuration(`there is no retry policy ${String(retry)} in use.retries`);
  return found;
}

function compileRetry(policy: RetryPolicy, templates: Templates): Retry {
  const { when, exceptWhen, delay, backoff, limit, jitter } = policy;
  const expression = (text: string | undefined) => (text === undefined ? undefined : templates.expression(text));
  const value = (given: unknown) => (given === undefined ? undefined : templates.value(given));
  return {
    when: expression(when),
    exceptWhen: expression(exceptWhen),
    delay: value(delay),
    backoff: backoff?.exponential !== undefined ? 'exponential' : backoff?.linear !== undefined ? 'linear' : 'constant',
    increment: value(backoff?.linear?.increment),
    factor: backoff?.exponential?.factor ?? 2,
    delayMax: value(backoff?.exponential?.maxDelay),
    attemptsMax: limit?.attempt?.count ?? Number.POSITIVE_INFINITY,
    attemptDuration: value(limit?.attempt?.duration),
    duration: value(limit?.duration),
    jitter: jitter === undefined ? undefined : [templates.value(jitter.from), templates.value(jitter.to)],
  };
}

/** Undefined: it is not to be tried again. */
function nextDelayMs(run: Run, frame: Frame, node: Node, retry: Retry, error: Problem): number | undefined {
  const { attempt } = frame.data as Data;
  // `count` bounds the attempts that follow a failure, as the standard's own examples count them.
  if (attempt > retry.attemptsMax) return undefined;
  const ms = (template: Template | undefined) =>
    template === undefined ? undefined : durationMs(evaluateOver(run, frame, node, template, error));
  const delayMs = ms(retry.delay) ?? 0;
  let backoffMs = delayMs;
  if (retry.backoff === 'linear') backoffMs = delayMs + (ms(retry.increment) ?? delayMs) * (attempt - 1);
  if (retry.backoff === 'exponential') {
    backoffMs = Math.min(delayMs * retry.factor ** (attempt - 1), ms(retry.delayMax) ?? Number.MAX_SAFE_INTEGER);
  }
  if (retry.jitter !== undefined) {
    const [from, to] = retry.jitter.map((one) => ms(one) as number) as [number, number];
    backoffMs += from + run.around.random() * Math.max(0, to - from);
  }
  const durationMax = ms(retry.duration) ?? Number.POSITIVE_INFINITY;
  if (run.now + backoffMs - frame.startedAt > durationMax) return undefined;
  return Math.round(backoffMs);
}

/** `.` and `$error` are the error. */
function evaluateOver(run: Run, frame: Frame, node: Node, template: Template, error: Problem): unknown {
  const { as } = node.body as Body;
  return template.evaluate(error, () => ({ ...run.variables(frame, node, frame.input), [as]: error }));
}

/** Types are compared by their last part: prefixes differ between the editions of the standard. */
function matches(filter: Record<string, unknown>, error: Problem): boolean {
  for (const [name, wanted] of Object.entries(filter)) {
    const member = name === 'details' ? 'detail' : name;
    const found = error[member];
    if (member === 'type' ? typeName(String(wanted)) !== typeName(String(found)) : wanted !== found) return false;
  }
  return true;
}
