// What the product uses of Turbo, which brings no types of its own.
declare module "@hotwired/turbo" {
  export const config: { drive: { progressBarDelay: number } };
  export const cache: { clear(): void };
  export function visit(location: string, options?: { action?: "advance" | "replace" }): void;
}
