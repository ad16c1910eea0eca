from __future__ import annotations

from django.urls import path

from trials.views import images, matching, sites, subjects, trials

app_name = "trials"

BASE = "o/<slug:organisation>/trials/"
TRIAL = BASE + "<slug:trial>/"
SITE = TRIAL + "sites/<slug:site>/"
SUBJECT = TRIAL + "subjects/<slug:subject>/"

urlpatterns = [
    path(BASE, trials.home, name="home"),
    path(BASE + "new/", trials.trial_new, name="trial-new"),
    path(TRIAL, trials.trial, name="trial"),
    path(TRIAL + "settings/", trials.trial_settings, name="settings"),
    path(TRIAL + "turn/", trials.turn, name="turn"),
    path(TRIAL + "new-site/", sites.site_new, name="site-new"),
    path(SITE, sites.site, name="site"),
    path(SITE + "settings/", sites.site_settings, name="site-settings"),
    path(SITE + "turn/", sites.turn, name="site-turn"),
    path(TRIAL + "subjects/", subjects.subject_list, name="subjects"),
    path(TRIAL + "new-subject/", subjects.subject_new, name="subject-new"),
    path(TRIAL + "subject-choices/", matching.subject_choices, name="subject-choices"),
    path(SUBJECT, subjects.subject, name="subject"),
    path(SUBJECT + "edit/", subjects.subject_edit, name="subject-edit"),
    path(SUBJECT + "move/", subjects.subject_move, name="subject-move"),
    path(SUBJECT + "studies/<slug:study>/", subjects.subject_study, name="subject-study"),
    path(SUBJECT + "images/<slug:study>/", images.SubjectImages.as_view(), name="images"),
    path(TRIAL + "waiting/", matching.waiting, name="waiting"),
    path(TRIAL + "held/", matching.held, name="held"),
    path(TRIAL + "held/ask/", matching.held_ask, name="held-ask"),
    path(TRIAL + "held/<slug:file>/", matching.held_file, name="held-file"),
    path(TRIAL + "waiting/<slug:study>/", matching.match, name="match"),
    path(TRIAL + "waiting/<slug:study>/images/", images.WaitingImages.as_view(), name="waiting-images"),
]
