/** Where the API explorer is. */
export const docsPath = 'docs';

export function isDocsPath(path: string): boolean {
  return path === `/${docsPath}` || path.startsWith(`/${docsPath}/`);
}

/** Paths that can be served, and that in words. */
export const path = /^\/[A-Za-z0-9/_.-]*[A-Za-z0-9_.-]$/;
export const pathRange = 'a path such as /ready: letters, digits, and / _ . -';
