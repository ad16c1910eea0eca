"""Signing in by somebody else's word: an organisation's OpenID Connect providers and LDAP directories, and the roles
that follow from what they say."""
