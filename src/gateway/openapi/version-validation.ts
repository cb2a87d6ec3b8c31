/**
 * Policy `validate` of a route that serves the versions of an API: each request and its answer are held to the document of the
 * version that the request is written for. A request of a version that is not there passes; the policy of versions, which
 * comes later, refuses it. Made by `../proxy/route-policies.ts`.
 */
import { SluiceError } from '#kernel';
import type { CompiledApi } from '../api/compiled-api.ts';
import { Naming } from '../api/naming.ts';
import type { AnswerStep, BodyStep, GatewayRequest, Policy, Verdict } from '../policy.ts';
import { compileValidation, type Validation, type ValidationParts, type ValidationSpec } from './validation.ts';

/** @throws RESOURCE_INVALID where no version has a document, or a schema of one cannot be held to */
export function compileVersionValidation(
  api: CompiledApi,
  spec: ValidationSpec,
  parts: ValidationParts,
): VersionValidation {
  const validations = new Map<string, Validation>();
  for (const { name, document } of api.versions) {
    if (document === undefined) continue;
    const described = { ...spec, openapi: document, base_path: api.spec.base_path };
    try {
      validations.set(name, compileValidation(described, parts));
    } catch (error) {
      const { message } = error as Error;
      throw new SluiceError('RESOURCE_INVALID', `version ${name} of api ${api.name}: ${message}`, {}, error);
    }
  }
  const [any] = validations.values();
  if (any === undefined) {
    throw new SluiceError('RESOURCE_INVALID', `api ${api.name} has no OpenAPI document to hold requests to`);
  }
  return new VersionValidation(api, validations, any);
}

export class VersionValidation implements Policy {
  readonly name = 'validate';
  readonly body: BodyStep;
  readonly answers: readonly Policy[];
  readonly #naming: Naming;
  readonly #validations: ReadonlyMap<string, Validation>;
  readonly #met = new WeakMap<GatewayRequest, Validation>();

  /** @param any one of them: how much of a body is looked at is the same for all */
  constructor(api: CompiledApi, validations: ReadonlyMap<string, Validation>, any: Validation) {
    this.#naming = new Naming(api.spec);
    this.#validations = validations;
    this.body = { ...any.body, check: (request) => this.#met.get(request)?.body.check(request) };
    this.answers = any.answers.map(({ name, answer }, i) => ({
      name,
      answer: this.#answerStep(answer as AnswerStep, i),
    }));
  }

  check(request: GatewayRequest): Verdict {
    const validation = this.#validations.get(this.#naming.versionOf(request));
    if (validation === undefined) return undefined;
    this.#met.set(request, validation);
    return validation.check(request);
  }

  /** What the version of the request does at the place of `any`'s step. */
  #answerStep(any: AnswerStep, i: number): AnswerStep {
    const { bytesMax, whenLonger } = any;
    const stepOf = (request: GatewayRequest) => this.#met.get(request)?.answers[i]?.answer;
    const edit: AnswerStep['edit'] = (request, answer) => stepOf(request)?.edit(request, answer) ?? answer;
    if (any.wants === undefined) return { bytesMax, whenLonger, edit };
    const wants: AnswerStep['wants'] = (request, status, headers) =>
      stepOf(request)?.wants?.(request, status, headers) ?? false;
    return { bytesMax, whenLonger, wants, edit };
  }
}
