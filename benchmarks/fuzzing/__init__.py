"""Damaged scans by the thousand: each is read, or refused in words, within bounds of time and memory."""
