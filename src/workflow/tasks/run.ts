/**
 * `run`: another workflow, a script, or, where the server allows it, a command of the shell. A workflow is started by the
 * commit of the step, exactly once; the others are effects like calls of services.
 */
import type { RunTask, ScriptProcess, ShellProcess, WorkflowProcess } from '../definition/tasks.ts';
import type { Behaviour, Place } from '../engine/behaviour.ts';
import { Fault, problem } from '../engine/fault.ts';
import { configuration, type Node, type Planner } from '../engine/plan.ts';
import type { Run } from '../engine/run.ts';
import type { Template } from '../engine/templates.ts';

type How = 'script' | 'shell' | 'workflow';

interface Body {
  readonly how: How;
  readonly wait: boolean;
  readonly returns: NonNullable<RunTask['run']['return']>;
  readonly process: Template;
}

/** Workflows that run workflows that … */
const DEPTH_MAX = 50;
const LANGUAGES = new Set(['js', 'javascript']);

export const runBehaviour: Behaviour = {
  compile: ({ run }: RunTask, { templates }: Planner): Body => {
    const { workflow, script, shell, container } = run;
    if (container !== undefined) throw configuration('containers cannot be run here');
    if (script !== undefined && !LANGUAGES.has(script.language)) {
      throw configuration(`scripts in ${script.language} cannot be run here, only in javascript`);
    }
    if (script?.source !== undefined) throw configuration('the code of a script must be written inline');
    const how: How = workflow !== undefined ? 'workflow' : script !== undefined ? 'script' : 'shell';
    const given: WorkflowProcess | ScriptProcess | ShellProcess = workflow ?? script ?? (shell as ShellProcess);
    return { how, wait: run.await ?? true, returns: run.return ?? 'stdout', process: templates.value(given) };
  },
  start: (run, node, place, input) => {
    const body = node.body as Body;
    if (body.how === 'workflow') startChild(run, node, place, input, body);
    else run.open(node, place, input, { waits: 'effect' });
  },
  result: (run, frame, node, result) => {
    if (result.ok) run.end(frame, node, result.output);
    else run.fail(frame, node, { ...result.error, instance: node.pointer });
  },
  request: (context, frame, node) => {
    const { how, process, returns } = node.body as Body;
    const given = process.evaluate(frame.input, () => context.variables()) as object;
    return { kind: 'other', runner: how, work: { ...given, returns } };
  },
};

function startChild(run: Run, node: Node, place: Place, input: unknown, { process, wait }: Body): void {
  const { name, version, input: given } = run.evaluate(process, place, node, input, input) as WorkflowProcess;
  const current = run.around.currentVersion(name, version);
  if (current === undefined) {
    throw new Fault(problem('configuration', 404, `there is no workflow ${name} of version ${version}`));
  }
  const depth = (run.instance.parent?.depth ?? 0) + 1;
  if (depth > DEPTH_MAX) throw new Fault(problem('runtime', 508, `more than ${DEPTH_MAX} workflows run each other`));
  const id = run.around.newId();
  const start = {
    type: 'start' as const,
    id,
    workflow: name,
    version: current,
    key: null,
    labels: null,
    by: 'workflow',
  };
  const childInput = given === undefined ? input : given;
  if (!wait) {
    run.finish(node, place, input, input);
    run.commands.push({ ...start, input: childInput, parent: null });
    return;
  }
  const frame = run.open(node, place, input, { waits: 'child', data: { child: id } });
  const parent = { instance: run.instance.id, frame: frame.id, attempt: frame.attempt, depth };
  run.commands.push({ ...start, input: childInput, parent });
}
