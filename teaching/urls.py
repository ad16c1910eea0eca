from __future__ import annotations

from django.urls import path

from teaching.views import courses, editor, history, lists, publishing, questions, sections

app_name = "teaching"

BASE = "o/<slug:organisation>/teaching/"
CASE = BASE + "cases/<slug:case>/"

urlpatterns = [
    path(BASE, lists.home, name="home"),
    path(BASE + "libraries/new/", lists.library_new, name="library-new"),
    path(BASE + "libraries/<slug:library>/", lists.library, name="library"),
    path(BASE + "libraries/<slug:library>/settings/", lists.library_settings, name="library-settings"),
    path(BASE + "roles/<str:kind>/<slug:slug>/", lists.container_roles, name="container-roles"),
    path(BASE + "make/<slug:study>/", lists.case_make, name="case-make"),
    path(BASE + "new-case/", lists.case_new, name="case-new"),
    path(CASE, editor.CaseEditor.as_view(), name="case-edit"),
    path(CASE + "preparing/", editor.preparing, name="case-preparing"),
    path(CASE + "marks/", editor.CaseMarks.as_view(), name="case-marks"),
    path(CASE + "fields/", editor.save_fields, name="case-fields"),
    path(CASE + "layout/", editor.save_layout, name="case-layout"),
    path(CASE + "sections/", sections.add_section, name="section-add"),
    path(CASE + "sections/<slug:section>/", sections.section, name="section"),
    path(CASE + "questions/", questions.add_question, name="question-add"),
    path(CASE + "questions/<slug:question>/", questions.question, name="question"),
    path(CASE + "truth/", editor.truth, name="case-truth"),
    path(CASE + "preview/", publishing.preview, name="case-preview"),
    path(CASE + "publishing/", publishing.publishing, name="case-publishing"),
    path(CASE + "act/<slug:action>/", publishing.act, name="case-act"),
    path(CASE + "attach/", editor.attach, name="case-attach"),
    path(CASE + "delete/", editor.delete, name="case-delete"),
    path(CASE + "history/", history.history, name="case-history"),
    path(CASE + "history/<int:number>/restore/", history.restore, name="case-restore"),
    path(BASE + "courses/new/", courses.course_new, name="course-new"),
    path(BASE + "courses/<slug:course>/", courses.course, name="course"),
    path(BASE + "courses/<slug:course>/settings/", courses.course_settings, name="course-settings"),
    path(BASE + "courses/<slug:course>/cases/", courses.course_cases, name="course-cases"),
    path(BASE + "courses/<slug:course>/assign/", courses.assignment_new, name="assignment-new"),
    path(BASE + "assignments/<slug:assignment>/withdraw/", courses.assignment_withdraw, name="assignment-withdraw"),
]
