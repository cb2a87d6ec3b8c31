/** What a topic may be called and how it may be set up: the same for every engine. */
import { type Limits, SluiceError } from '#kernel';
import { DEFAULT_TOPIC_CONFIG, type TopicConfig } from './contract.ts';

const NAME = /^[A-Za-z0-9._-]{1,249}$/;

/** @throws TOPIC_INVALID */
export function checkTopicName(name: string): void {
  if (!NAME.test(name) || name === '.' || name === '..') {
    throw new SluiceError('TOPIC_INVALID', 'a topic name has 1 to 249 characters of A-Z a-z 0-9 . _ -', { name });
  }
}

/** The settings of a new topic, or of `current` after `changes`. @throws TOPIC_INVALID */
export function resolveTopicConfig(
  changes: Partial<TopicConfig>,
  limits: Limits,
  current: TopicConfig | undefined,
): TopicConfig {
  const config = { ...(current ?? DEFAULT_TOPIC_CONFIG), ...changes };
  const { partitions } = config;
  if (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > limits.partitionsPerTopicMax) {
    throw invalid(`partitions must be 1 to ${limits.partitionsPerTopicMax}`);
  }
  if (current !== undefined && partitions < current.partitions) {
    throw invalid(`partitions can only grow, and there are ${current.partitions}`);
  }
  if (config.cleanup !== 'delete' && config.cleanup !== 'compact') throw invalid('cleanup must be delete or compact');
  checkAmount('retentionMs', config.retentionMs);
  checkAmount('retentionBytes', config.retentionBytes);
  if (!Number.isSafeInteger(config.tombstoneMs) || config.tombstoneMs < 0) {
    throw invalid('tombstoneMs must be a whole number of milliseconds');
  }
  return config;
}

function checkAmount(name: string, value: number | null): void {
  if (value !== null && (!Number.isSafeInteger(value) || value < 0)) {
    throw invalid(`${name} must be null or a whole number, 0 or more`);
  }
}

function invalid(message: string): SluiceError {
  return new SluiceError('TOPIC_INVALID', message);
}
