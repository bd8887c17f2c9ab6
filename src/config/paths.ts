/** Paths that can be served, and that in words. */
export const path = /^\/[A-Za-z0-9/_.-]*[A-Za-z0-9_.-]$/;
export const pathRange = 'a path such as /ready: letters, digits, and / _ . -';
