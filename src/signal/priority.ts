export const priorities = ['P0', 'P1', 'P2', 'P3', 'P4'] as const;
export type Priority = (typeof priorities)[number];

export function isPriority(value: unknown): value is Priority {
  return (priorities as readonly unknown[]).includes(value);
}
